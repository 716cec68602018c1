"""
One question for all who ask it at the same time: a thousand dials to one host must not be a thousand lookups.

Without this, as many UDP questions leave at once as there are requests; name servers and socket buffers drop some, and
those requests fail though the name is fine. Nothing is kept: who asks after an answer has come asks anew. Used by
`resolver.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable

from iron_proxy.errors import UpstreamUnreachable

Outcome = list[str] | UpstreamUnreachable
Ask = Callable[[], Awaitable[list[str]]]


class SharedLookups:
    """
    The lookups that are under way, by host.

    The first to ask does the lookup, in its own task; the others wait for what it finds. One that is cancelled leaves
    the question to the next.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[Outcome | None]] = {}

    async def addresses(self, host: str, ask: Ask) -> list[str]:
        """What `ask` gives or raises (UpstreamUnreachable), for everybody who wants it while it is under way."""
        while (waited_for := self._under_way.get(host)) is not None:
            outcome = await asyncio.shield(waited_for)
            if outcome is not None:
                return _told(outcome)
        return _told(await self._lead(host, ask))

    async def _lead(self, host: str, ask: Ask) -> Outcome:
        finding = self._under_way[host] = asyncio.get_running_loop().create_future()
        outcome: Outcome | None = None
        try:
            outcome = await ask()
        except UpstreamUnreachable as failure:
            outcome = failure
        finally:
            del self._under_way[host]
            finding.set_result(outcome)          # None: cancelled, or a bug that only the first is to see
        return outcome


def _told(outcome: Outcome) -> list[str]:
    """A list, or an error, of the one's own: what one dial does with it is no other's business."""
    if isinstance(outcome, UpstreamUnreachable):
        raise type(outcome)(str(outcome))
    return list(outcome)
