"""The services of `served.py` with an audit log in strict mode, whose destination the test holds."""

import json
from typing import Any, Self

from tests.fakes.served import Served, turns
from tests.unit.audit.destinations import FakeDestination

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.outlet import Outlet
from iron_proxy.audit.trail import Branch, Trail


class StrictlyServed(Served):
    """The same services, with a log in strict mode whose destination the test holds."""

    def __init__(self, *transforms: Any) -> None:
        super().__init__(*transforms)
        self.destination = FakeDestination()
        self.outlet = Outlet(self.destination)
        trail = Trail([Branch(self.outlet)], is_strict=True)
        self.services.audit = AuditEmitter(ENVELOPES["seed"], trail.write, trail=trail)

    async def __aenter__(self) -> Self:
        self.services.audit.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        await super().__aexit__(*details)
        self.outlet.detach(0)

    async def records(self) -> list[dict[str, Any]]:
        await turns()
        return [json.loads(line) for line in self.destination.content.splitlines()]
