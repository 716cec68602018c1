"""
A transform of one's own: outside of business hours (UTC) only reading is allowed.

Named in proxy.yaml as `business_hours:BusinessHours`; the folder must be on PYTHONPATH.
"""

from datetime import UTC, datetime

from iron_proxy.config.section import Section
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict

READING = frozenset(("GET", "HEAD", "OPTIONS"))


class BusinessHours:
    """Reads `opens` and `closes`, hours of the day, from its own `config:`."""

    name = "business_hours"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section: Section, context: TransformContext) -> None:
        self._opens = section.integer("opens", 8, at_least=0)
        self._closes = section.integer("closes", 18, at_least=0)
        if self._opens >= self._closes:
            section.problem("closes", "must be later than opens")

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Let reading pass at any time, everything else between the two hours."""
        hour = datetime.now(UTC).hour
        if exchange.request.method in READING or self._opens <= hour < self._closes:
            return CONTINUE
        exchange.annotate("hour", hour)
        return Reject("outside of business hours only reading is allowed")
