"""What is done to the database, wherever it runs: backups, restoring, new passwords, moving.

Passwords travel by standard input alone.
"""
