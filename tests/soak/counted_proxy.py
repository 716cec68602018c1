"""A proxy whose log is counted instead of kept: hours of it would not fit into memory."""

import json
from collections import Counter, deque

from tests.fakes.running_proxy import Line, RunningProxy, parse_line

# For the message of a failure.
LAST_WORDS = 50


class CountedProxy(RunningProxy):
    """Lines up to the start are kept for `RunningProxy`; then `actions` counts records, and `odd` keeps what is odd."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[arg-type]  # passed on as they are
        self.actions: Counter[str] = Counter()
        self.record_bytes = 0
        self.generations: set[int] = set()
        self.odd: deque[Line] = deque(maxlen=LAST_WORDS)
        self._counts = False

    def _collect(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            for raw in stderr:
                with self._arrived:
                    if self._counts:
                        self._count(raw)
                    else:
                        self.lines.append(raw.decode("utf-8"))
                        self._counts = json.loads(raw)["msg"] == "transform pipeline"
                    self._arrived.notify_all()
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def _count(self, raw: bytes) -> None:
        line = parse_line(raw.decode("utf-8"))
        if line["msg"] == "request":
            self.actions[line["action"]] += 1
            self.record_bytes += len(raw)
            self.generations.add(line["generation"])
        elif line["level"] not in ("INFO", "DEBUG") and line["msg"] != "event":
            self.odd.append(line)

    @property
    def recorded(self) -> int:
        """Audit records of requests so far."""
        return self.actions.total()

    def wait_for_records(self, count: int, timeout: float = 30.0) -> None:
        """Until there are so many. Raises AssertionError."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.recorded >= count, timeout), f"{self.recorded} of {count}"
