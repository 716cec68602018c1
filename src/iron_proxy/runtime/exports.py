"""What is exported by OTLP, each by a thread of its own; closed together, since a stop has no more time for three."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from iron_proxy.audit.otlp_queue import CLOSE_SECONDS, ExportCondition, ExportQueue
from iron_proxy.management.metrics_export import MetricsExport

LOGS: Final = "logs"
TRACES: Final = "traces"
METRICS: Final = "metrics"


class Exports(NamedTuple):
    """Those that are asked for."""

    logs: ExportQueue | None = None
    traces: ExportQueue | None = None
    metrics: MetricsExport | None = None

    @property
    def conditions(self) -> dict[str, ExportCondition]:
        """How each stands, by the name of its signal."""
        named = {LOGS: self.logs, TRACES: self.traces, METRICS: self.metrics}
        return {name: export.condition for name, export in named.items() if export is not None}

    def close(self, seconds: float = CLOSE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """Send what is left, as far as the collectors take it in time. Waits; the last thing of all."""
        exports = [each for each in self if each is not None]
        for export in exports:
            export.ask_to_end()
        deadline = clock() + seconds
        for export in exports:
            export.close(max(0.0, deadline - clock()))
