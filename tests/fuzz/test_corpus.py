"""
The corpora of the fuzz targets, without the fuzzer: whatever has been found once holds on every run.

Files named `seed-…` were written by hand; the others were found by `make fuzz`, and are the smallest that reach what
they reach. One that a fault was found with is named after it.
"""

import time
from pathlib import Path

import pytest
from tests.fuzz.run import main
from tests.fuzz.targets.catalogue import CORPUS, TARGETS


def files_of(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_what_has_been_found_holds(name: str) -> None:
    for file in files_of(name):
        try:
            TARGETS[name].check(file.read_bytes())
        except Exception as error:
            error.add_note(f"repeat it with: python -m tests.fuzz.run {name} {file}")
            raise


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert all(files_of(name) for name in TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_what_must_hold_and_takes_its_whole_corpus(name: str) -> None:
    target = TARGETS[name]

    assert target.oracle.endswith((".", ":"))
    assert all(file.stat().st_size <= target.max_bytes for file in files_of(name))


def test_the_corpora_stay_small() -> None:
    assert sum(file.stat().st_size for name in TARGETS for file in files_of(name)) < 400_000


@pytest.mark.parametrize("name", TARGETS)
def test_time_grows_with_the_size_of_the_input_and_no_faster(name: str) -> None:
    """Each corpus' longest file over and over, 16 times as long the second time; squares would take 256 times."""
    longest = max((file.read_bytes() for file in files_of(name)), key=len)
    short, long = (longest * (size // len(longest) + 1) for size in (2_000, 32_000))
    check = TARGETS[name].check
    check(short)

    seconds = [taken(check, content[:size]) for content, size in ((short, 2_000), (long, 32_000))]

    # The constant lets a pause of the machine pass, and is far below what a square would add.
    assert seconds[1] < 64 * seconds[0] + 1


def taken(check: object, content: bytes) -> float:
    assert callable(check)
    began = time.process_time()
    check(content)
    return time.process_time() - began


def test_a_file_is_repeated_without_the_fuzzer(capsys: pytest.CaptureFixture[str]) -> None:
    file = files_of("authority")[0]

    assert main(["authority", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: holds\n"


def test_a_file_that_does_not_hold_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(wire: bytes) -> None:
        raise AssertionError("seen")

    monkeypatch.setitem(TARGETS, "authority", TARGETS["authority"]._replace(check=fails))
    with pytest.raises(AssertionError, match="seen"):
        main(["authority", str(files_of("authority")[0])])


@pytest.mark.parametrize("arguments", [["--time", "soon"], ["no-such-target"], ["all", "file"]])
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err
