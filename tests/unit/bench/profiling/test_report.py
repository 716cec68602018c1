"""What perf prints becomes shares, and a profile becomes Markdown that says what is missing."""

from pathlib import Path

import pytest
from bench.profiling.calls import Calls
from bench.profiling.memory import differences, measure_imports
from bench.profiling.report import Profile, report
from bench.profiling.samples import parse_report, read_samples
from bench.results import Machine

MACHINE = Machine("A CPU", 2, "Linux 6.1", 0.0)
PERF = """\
# To display the perf.data header info, please use --header/--header-only options.
#
# Overhead|Shared Object
 51.10% |libpython3.11.so.1.0
 22.94% |[kernel.kallsyms]
  8.55% |libcrypto.so.3
  5.26% |libssl.so.3
  3.96% |loop.cpython-311-x86_64-linux-gnu.so
  0.07% |_bisect.cpython-311-x86_64-linux-gnu.so

"""


def test_samples_are_joined_by_what_they_are_of() -> None:
    assert parse_report(PERF) == {
        "Python: interpreter and objects": 51.1,
        "kernel": 22.9,
        "OpenSSL": 13.8,
        "uvloop": 4.0,
        "other": 0.1,
    }


def test_without_a_file_there_are_no_samples(tmp_path: Path) -> None:
    assert read_samples(tmp_path / "perf.data") == {}


def text_of(profile: Profile) -> str:
    return report("2026-01-01T00:00Z", "abc", MACHINE, [profile], [("the interpreter", 8.4), ("uvloop", 1.25)], [])


def test_a_profile_has_its_ratio_its_shares_and_its_calls() -> None:
    calls = Calls({("/usr/lib/ssl.py", "SSLObject.read", ""): 20, ("/usr/lib/ssl.py", "SSLObject.read", "len"): 10}, 10)

    text = text_of(Profile("Small GET", 50.0, 25.0, calls, {"kernel": 30.0}))

    assert "CPU: 50.0 µs a request, nginx 25.0 µs: 2.00 ×." in text
    assert "| kernel | 30.0 % | 15.0 |" in text
    assert "Calls in a request: 3, 2 of Python functions and 1 of compiled ones, over 10 requests." in text
    assert "| libraries | 2.0 | 1.0 |" in text
    assert "| ssl.py | `SSLObject.read` | 2.00 |" in text


def test_memory_is_told_by_what_is_imported() -> None:
    text = text_of(Profile("DNS", None, None, None))

    assert text.endswith("| the interpreter | 8.4 |\n| uvloop | 1.2 |\n| together | 9.7 |\n")
    assert differences([("a", 1024), ("b", 3072)]) == [("a", 1.0), ("b", 2.0)]


@pytest.mark.slow
def test_imports_are_measured_in_a_process_of_their_own() -> None:
    found = dict(measure_imports())

    assert 1 < found["the interpreter"] < found["cryptography"] < 100


def test_what_is_missing_is_said() -> None:
    text = text_of(Profile("DNS", None, None, None))

    assert "CPU was not measured." in text
    assert "No samples were taken." in text
    assert "No calls were counted." in text
    assert "CPU: 5.0 µs a request." in text_of(Profile("DNS", 5.0, None, None, {"kernel": 1.0}))


def test_instructions_are_told_part_by_part_or_why_there_are_none() -> None:
    counted = report("2026-01-01T00:00Z", "abc", MACHINE, [], [], [("head of a request", 7094.4)])

    assert "## Instructions of what does no I/O" in counted
    assert "| head of a request | 7,094 |" in counted
    assert "Instructions were not counted" in report("2026-01-01T00:00Z", "abc", MACHINE, [], [], [])
