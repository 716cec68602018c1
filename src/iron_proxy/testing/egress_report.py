"""What guarded tests reached for, by host and port: the lines of `--egress-report`. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator

from iron_proxy.audit_reading.terminal_text import escaped
from iron_proxy.testing.egress_seen import Seen


def report_lines(seen: Iterable[tuple[str, Seen]]) -> Iterator[str]:
    """One line for each place, the most used first. `seen` is (test, what it reached for)."""
    allowed: Counter[tuple[str, int]] = Counter()
    refused: Counter[tuple[str, int]] = Counter()
    tests: dict[tuple[str, int], set[str]] = {}
    for test, each in seen:
        place = each.host, each.port
        (allowed if each.is_allowed else refused)[place] += 1
        tests.setdefault(place, set()).add(test)
    if not tests:
        yield "guarded tests reached for nothing"
    for place, _ in (allowed + refused).most_common():
        host, port = place
        name = f"{escaped(host)}:{port}" if port else escaped(host)
        yield f"{name}  {allowed[place]} allowed, {refused[place]} refused, in {_counted(len(tests[place]))}"


def _counted(tests: int) -> str:
    return "1 test" if tests == 1 else f"{tests} tests"
