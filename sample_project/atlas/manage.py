#!/usr/bin/env python
"""Django's command line for the service atlas."""

import os

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atlas.settings")
    execute_from_command_line()
