"""What an assembly says of itself in numbers."""

from tests.unit.runtime.assembled import EVERYTHING, HTTP_ONLY, a_ca, close

from iron_proxy.audit.otlp_queue import ExportQueue
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.runtime.assemble import assemble
from iron_proxy.runtime.exports import Exports
from iron_proxy.runtime.metrics_part import metrics_page
from iron_proxy.runtime.standing import readings_of
from iron_proxy.upstream.measured_pool import MeasuredPool
from iron_proxy.upstream.pool import Pool


class Nowhere:
    def export(self, lines: object) -> bool:
        return False

    def shutdown(self) -> None:
        pass


async def test_what_has_not_begun_stands_at_nothing() -> None:
    assembly = assemble(HTTP_ONLY, Pipeline([]), None)
    try:
        readings = readings_of(assembly)
        page = metrics_page(assembly).render()
    finally:
        for listener in assembly.listeners:
            listener.sock.close()

    assert (readings.generation, readings.connections, readings.upstream_opened, readings.leaves_cached) == (1, 0, 0, 0)
    assert (readings.exports, readings.handshakes, readings.secrets) == ({}, {}, [])
    assert b"iron_proxy_config_generation 1.0" in page


async def test_an_export_is_looked_at() -> None:
    assembly = assemble(HTTP_ONLY, Pipeline([]), None)
    for listener in assembly.listeners:
        listener.sock.close()
    assembly.exports = Exports(traces=(queue := ExportQueue(Nowhere())))
    queue.put(b"x\n")

    assert readings_of(assembly).exports == {"traces": (0, 0, 0, 1)}


def test_upstreams_are_measured_only_where_somebody_asks() -> None:
    for config, is_measured, expected in (
        (HTTP_ONLY, False, Pool), (HTTP_ONLY, True, MeasuredPool), (EVERYTHING, False, MeasuredPool)
    ):  # fmt: skip
        assembly = assemble(config, Pipeline([]), a_ca(), is_measured=is_measured)
        close(assembly)

        assert type(assembly.services.pool) is expected
        assert (assembly.upstream_metrics is not None) is (expected is MeasuredPool)
