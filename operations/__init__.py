"""The one module that does things: no printing, no GitHub, no Slack.

Each use case is a module of its own (``operations.status``, ``operations.deploy`` …) and is imported by that name,
so that a quick verb never pays for what a slow one needs.
"""
