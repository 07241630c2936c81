"""Step 3, mode "relay": processes that publish for all others."""
