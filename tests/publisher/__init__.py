"""Step 3, who publishes: the thread of a process, and what becomes of it at exit, fork and kill."""
