"""psycopg's and procrastinate's errors as ours, for the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import psycopg
import psycopg_pool
from procrastinate.exceptions import ConnectorException

from operations.errors import ConnectionLost, DatabaseUnreachable, LocktenderError, StatementFailed

P = ParamSpec("P")
T = TypeVar("T")


def translated(method: Callable[P, T]) -> Callable[P, T]:
    """A method of the ledger, whose foreign errors become ours."""

    @wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except ConnectorException as error:
            raise ours(error.__cause__ or error) from None
        except (psycopg.Error, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed) as error:
            raise ours(error) from None

    return wrapper


def ours(error: BaseException) -> LocktenderError:
    """What to raise instead. libpq repeats no password, and gets it as a keyword."""
    said = re.sub(r"\s+", " ", str(error)).strip()
    if isinstance(error, (psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)):
        return DatabaseUnreachable(
            f"The ledger's database does not answer: {said}.", hint="Is LOCKTENDER_LEDGER_URL right, and the server up?"
        )
    if not isinstance(error, psycopg.Error) or (isinstance(error, psycopg.OperationalError) and not error.sqlstate):
        return ConnectionLost(f"The connection to the ledger was lost: {said}", hint="Try again.")
    if (error.sqlstate or "").startswith(("57P", "08", "25P03")):
        return ConnectionLost(f"The connection to the ledger was lost: {said}", hint="Try again.")
    return StatementFailed(
        f"The ledger's database refused: {error.diag.message_primary or said}", sqlstate=error.sqlstate or "XX000"
    )
