"""Builds the adapters that the verbs hand to the use cases; nothing else in the command line knows them."""
