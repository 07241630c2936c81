"""A service in its project: checks, tasks, beat, models, migrations and logs."""
