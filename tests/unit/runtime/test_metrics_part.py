"""What an assembly says of itself in numbers."""

from tests.unit.runtime.assembled import HTTP_ONLY

from iron_proxy.audit.otlp_queue import ExportQueue
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.runtime.assemble import assemble
from iron_proxy.runtime.metrics_part import metrics_page, readings_of


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
    assert readings.export is None
    assert b"iron_proxy_config_generation 1.0" in page


async def test_an_export_is_looked_at() -> None:
    assembly = assemble(HTTP_ONLY, Pipeline([]), None)
    for listener in assembly.listeners:
        listener.sock.close()
    assembly.export = ExportQueue(Nowhere())
    assembly.export.put(b"x\n")

    assert readings_of(assembly).export == (0, 0, 0, 1)
