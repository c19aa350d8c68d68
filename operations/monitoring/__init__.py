"""Watching an environment: what is remembered from look to look, what is worth an alert (pure), how it is told."""
