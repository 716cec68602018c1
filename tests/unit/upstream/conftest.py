"""Shared HTTP/2 connections to an upstream in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.served import LONG
from tests.unit.upstream.http2_shared import Shared


@pytest.fixture
async def fresh() -> AsyncIterator[Shared]:
    """One whose upstream has said nothing yet."""
    shared = Shared()
    yield shared
    shared.connection.close()
    await asyncio.wait_for(shared.reading, LONG)


@pytest.fixture
async def shared(fresh: Shared) -> Shared:
    """One whose upstream has said how many streams it takes."""
    return await fresh.settled()
