"""What procrastinate asks the ledger with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, LiteralString, TypeVar

from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException

T = TypeVar("T")
ANSWER = 45.0
"""Seconds: what the server may take for a statement, and the wait for a connection before."""


class Connector(PsycopgConnector):
    """Gives up a question that is not answered: a line may fall silent and stand, and nothing else would end it."""

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """As the base class."""
        await _answered(super().execute_query_async(query, **arguments))

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        """As the base class."""
        return await _answered(super().execute_query_one_async(query, **arguments))

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        """As the base class."""
        return await _answered(super().execute_query_all_async(query, **arguments))


async def _answered(question: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(ANSWER):
            return await question
    except TimeoutError:
        raise ConnectorException(f"There was no answer within {ANSWER:g} s.") from None
