"""PostgreSQL's own parser, as pglast wraps it; the one module that parses with it. Pure.

Importing it takes as long as importing psycopg, so others do so where they parse.
"""

from __future__ import annotations

from pglast import ast
from pglast.parser import ParseError, parse_sql, scan

__all__ = ["ParseError", "parse_sql", "scan"]

# pglast checks and converts every attribute of every node, in Python, for nodes that are built by hand. Those that its
# C parser builds are right as they come, but for the truth values of constants, and checking them all again would be
# three quarters of the time of parsing.
ast.Boolean.__setattr__ = ast.Node.__setattr__  # type: ignore[method-assign]
ast.Node.__setattr__ = object.__setattr__  # type: ignore[method-assign, assignment]
