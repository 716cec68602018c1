import signal
import sys

import pytest
from tests.fakes.inside_jail import InsideJail

SAYS_WHEN_TERMINATED = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
signal.pause()
"""


def ended(inside: InsideJail) -> object:
    message = inside.hear()
    assert message is not None
    assert message["say"] == "ended"
    return message["status"]


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_the_status_is_a_shells(script: str, status: int) -> None:
    with InsideJail(["sh", "-c", script]) as inside:
        inside.start()

        assert ended(inside) == status


def test_a_command_that_is_not_there_is_told() -> None:
    with InsideJail(["no-such-command"]) as inside:
        inside.start()

        assert inside.hear() == {"say": "unstarted", "errno": 2}
        assert ended(inside) == 127


def test_nothing_runs_before_the_start() -> None:
    with InsideJail(["echo", "hello"]) as inside:
        inside.make()
        inside.control.close()

        assert inside.output() == ""


def test_a_signal_is_passed_on() -> None:
    with InsideJail([sys.executable, "-I", "-S", "-c", SAYS_WHEN_TERMINATED]) as inside:
        inside.start()
        assert inside.line() == "ready\n"
        inside.say(say="signal", number=int(signal.SIGTERM))

        assert ended(inside) == 7


@pytest.mark.slow
def test_an_end_is_not_missed_while_signals_are_passed_on() -> None:
    """The second one may be looked at after the first has ended the program."""
    for _ in range(10):
        with InsideJail(["sleep", "1000"]) as inside:
            inside.start()
            for _ in range(2):
                inside.say(say="signal", number=int(signal.SIGTERM))

            assert ended(inside) == 143


def test_orphans_are_reaped_and_the_program_is_waited_for() -> None:
    with InsideJail(["sh", "-c", "(sh -c 'exit 9' &) ; sleep 0.1; exit 4"]) as inside:
        inside.start()

        assert ended(inside) == 4


def test_what_is_left_behind_dies_with_the_program() -> None:
    """Whoever lives holds the output open."""
    with InsideJail(["sh", "-c", "sleep 1000 & exit 0"]) as inside:
        inside.start()
        assert ended(inside) == 0

        assert inside.output() == ""


def test_everything_dies_when_the_proxy_is_gone() -> None:
    with InsideJail(["sh", "-c", "sleep 1000 & sleep 1000"]) as inside:
        inside.start()
        inside.control.close()

        assert inside.process.wait(20) == 0
        assert inside.output() == ""


def test_a_stop_is_told_and_so_is_the_going_on() -> None:
    with InsideJail([sys.executable, "-I", "-S", "-c", SAYS_WHEN_TERMINATED]) as inside:
        inside.start()
        assert inside.line() == "ready\n"
        inside.say(say="signal", number=int(signal.SIGSTOP))
        assert inside.hear() == {"say": "stopped"}
        inside.say(say="signal", number=int(signal.SIGCONT))
        assert inside.hear() == {"say": "continued"}
        inside.say(say="signal", number=int(signal.SIGTERM))
        assert ended(inside) == 7


def test_the_program_gets_signals_as_they_were_given_to_us() -> None:
    with InsideJail(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]) as inside:
        inside.start()
        assert ended(inside) == 0
        printed = inside.output()

    assert printed.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


def test_the_program_inherits_three_descriptors_and_no_more() -> None:
    code = "import os; print([d for d in range(200) if os.path.exists(f'/proc/self/fd/{d}')])"
    with InsideJail([sys.executable, "-I", "-S", "-c", code], doors=[(80, False)]) as inside:
        inside.start()
        assert ended(inside) == 0

        assert inside.output() == "[0, 1, 2]\n"


def test_whoever_reads_sees_the_end_when_the_program_closes_its_output() -> None:
    with InsideJail(["sh", "-c", "echo done; exec >&-; sleep 1000"]) as inside:
        inside.start()

        assert inside.output() == "done\n"
