"""Locktender in a terminal, or as the entry point of a container."""
