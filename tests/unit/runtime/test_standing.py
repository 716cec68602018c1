"""An assembly in numbers, with workers and without. `test_metrics_part.py` has the parts of one process."""

from types import SimpleNamespace
from typing import Any, cast

from tests.unit.runtime.assembled import HTTP_ONLY, assembled, close

from iron_proxy.management.request_metrics import RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.runtime.fleet import Counted, Fleet, Look, Sight
from iron_proxy.runtime.standing import readings_of, readings_of_all


def sight(number: int, look: Look | None) -> Sight:
    return Sight(number, 100 + number, "serving", 0, 1.0, look)


async def test_workers_count_and_those_that_do_not_answer_do_not() -> None:
    assembly = assembled(HTTP_ONLY)
    close(assembly)
    own = readings_of(assembly)
    busy = own._replace(connections=4, upstream_opened=10)
    look = Look(busy, Counted(RequestMetrics().counts(), UpstreamMetrics().counts()), 1, 0, [])
    fleet: Any = SimpleNamespace(former_readings=[busy.when_it_ended()])

    assert readings_of_all(assembly, []) == own
    assembly.fleet = cast(Fleet, fleet)
    total = readings_of_all(assembly, [sight(1, look), sight(2, None), sight(3, look)])

    assert (total.connections, total.upstream_opened) == (8, 30)
