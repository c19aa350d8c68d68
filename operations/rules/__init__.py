"""Lint rules for migrations. One rule a file; ``model.py`` says what a rule is given and what it finds."""
