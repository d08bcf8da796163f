"""Cookiecutter templates from outside: fetched, kept beside the lock, rendered in a closed room."""
