"""The text of `/metrics`, of one process or of several. Imports what pages need: only once it serves."""

from iron_proxy.management.metrics_page import MetricsPage, WorkerStates
from iron_proxy.management.request_metrics import RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.standing import readings_of, readings_of_all


def metrics_page(assembly: Assembly) -> MetricsPage:
    """The page of this process alone."""
    return MetricsPage(assembly.request_metrics, lambda: readings_of(assembly), assembly.upstream_metrics)


class Metrics:
    """`render` is the page of an assembly, with all that its workers have counted."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._alone = metrics_page(assembly)

    async def render(self) -> bytes:
        """Read everything and write it down."""
        fleet = self._assembly.fleet
        if fleet is None:
            return self._alone.render()
        workers = await fleet.look()
        requests, upstream = RequestMetrics(), UpstreamMetrics()
        requests.add(self._assembly.request_metrics.counts())
        for counted in (*fleet.former_counts, *(each.look.counts for each in workers if each.look is not None)):
            requests.add(counted.requests)
            upstream.add(counted.upstream)
        readings = readings_of_all(self._assembly, workers)
        states = WorkerStates(sum(each.state == "serving" for each in workers), fleet.restarts)
        return MetricsPage(requests, lambda: readings, upstream, states).render()
