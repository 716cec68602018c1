"""A secret on its way into a log is masked, and told once a minute; everything else passes as it is."""

import logging

from tests.fakes.log_lines import LogLines
from tests.unit.audit.records import record_of

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.runtime.last_wall import LastWall
from iron_proxy.runtime.process_log import report, start_logging
from iron_proxy.secret_sources.known_values import KnownValues

VALUE = "sk-canary-1234"


class Owner:
    """Keeps the value known."""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def wall(clock: Clock | None = None) -> tuple[LastWall, Owner]:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", VALUE)
    return LastWall(known, clock or Clock()), owner


def test_a_line_without_a_secret_passes_as_it_is() -> None:
    last_wall, _owner = wall()
    written: list[bytes] = []

    last_wall.before(written.append)(b"a line\n")

    assert written == [b"a line\n"]
    assert last_wall.hits == 0


def test_the_process_log_is_masked_and_the_leak_told(process_log: LogLines) -> None:
    last_wall, _owner = wall()
    start_logging("info", last_wall.before(process_log.written.append))

    report(logging.INFO, "odd", where=f"before {VALUE} behind")

    assert process_log.said("odd")["where"] == "before [masked:KEY] behind"
    line = process_log.said("secret masked in log output")
    assert (line["level"], line["secret"]) == ("ERROR", "KEY")
    assert last_wall.hits == 1


async def test_audit_records_are_masked_and_the_leak_told(process_log: LogLines) -> None:
    last_wall, _owner = wall()
    written: list[bytes] = []
    emitter = AuditEmitter(seed_envelope, last_wall.before(written.append))

    emitter.emit(record_of(path=f"/{VALUE}"))
    emitter.flush()

    assert b"/[masked:KEY]" in written[0]
    assert process_log.said("secret masked in log output")["secret"] == "KEY"


def test_a_leak_in_a_busy_place_is_told_once_a_minute(process_log: LogLines) -> None:
    clock = Clock()
    last_wall, _owner = wall(clock)
    write = last_wall.before(lambda text: None)

    for second in range(150):
        clock.now = float(second)
        write(VALUE.encode())

    assert process_log.messages == ["secret masked in log output"] * 3
    assert last_wall.hits == 150


def test_a_name_that_holds_the_secret_does_not_go_round_in_circles(process_log: LogLines) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, VALUE, VALUE)
    last_wall = LastWall(known, Clock())
    start_logging("info", last_wall.before(process_log.written.append))

    report(logging.INFO, "odd", where=VALUE)

    assert len(process_log.written) == 2
