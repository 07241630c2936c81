"""The operator's surface of the master: commands and admin pages."""
