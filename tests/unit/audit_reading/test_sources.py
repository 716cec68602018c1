import gzip
import io
from pathlib import Path

import pytest

from iron_proxy.audit_reading.sources import ReadingTally, in_order, read_lines


def nothing() -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO())



def lines_of(*paths: Path, tally: ReadingTally | None = None) -> list[bytes]:
    return [line for line in read_lines(map(str, paths), nothing, tally or ReadingTally()) if line]


@pytest.mark.parametrize(
    ("given_paths", "ordered"),
    [
        (["a.log", "a.log.1", "a.log.10.gz", "a.log.2.gz"], ["a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log"]),
        (["log", "log-20261125.gz", "log-20261124.gz"], ["log-20261124.gz", "log-20261125.gz", "log"]),
        (["b", "a"], ["b", "a"]),
        (["b.1", "a", "b"], ["b.1", "b", "a"]),
        (["-"], ["-"]),
        (["/var/log/x.gz"], ["/var/log/x.gz"]),
    ],
)
def test_a_rotated_set_is_read_from_its_oldest_part(given_paths: list[str], ordered: list[str]) -> None:
    assert in_order(given_paths) == ordered


def test_a_compressed_file_is_read_by_its_content_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    (tmp_path / "b.gz").write_bytes(b"three\n")

    assert lines_of(tmp_path / "a", tmp_path / "b.gz") == [b"one", b"two", b"three"]


def test_standard_input_is_a_dash() -> None:
    def piped() -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(gzip.compress(b"one\ntwo")))

    assert list(read_lines(["-"], piped, ReadingTally())) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda packed: packed[:-12], "breaks off"),
        (lambda packed: packed[:40] + b"\xff" * 40 + packed[80:], "damaged"),
        (lambda packed: packed + b"trailing rubbish", "damaged"),
    ],
    ids=["cut", "changed", "more behind it"],
)
def test_a_damaged_file_gives_what_can_be_read_and_the_next_one_is_read(
    damage: object, reason: str, tmp_path: Path
) -> None:
    packed = gzip.compress(b"".join(b"%d\n" % number for number in range(100_000)))
    (tmp_path / "a.gz").write_bytes(damage(packed))  # type: ignore[operator]  # one of three lambdas
    (tmp_path / "b").write_bytes(b"good\n")
    tally = ReadingTally()

    lines = lines_of(tmp_path / "a.gz", tmp_path / "b", tally=tally)

    assert lines[-1] == b"good"
    assert len(tally.damaged) == 1
    assert reason in tally.damaged[0]
    assert str(tmp_path / "a.gz") in tally.damaged[0]


@pytest.mark.slow
def test_a_bomb_is_thrown_away_and_not_collected(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 40_000_000 + b"\nafter\n"))
    tally = ReadingTally()

    assert lines_of(tmp_path / "bomb.gz", tally=tally) == [b"after"]
    assert tally.too_long == 1


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lines_of(tmp_path / "none")


def test_what_was_not_read_is_told_in_sentences() -> None:
    tally = ReadingTally(broken=1, too_long=2, damaged=["x: damaged"], other=7)

    assert tally.sentences() == [
        "x: damaged",
        "1 line could not be read as audit records",
        "2 lines longer than any record",
    ]
