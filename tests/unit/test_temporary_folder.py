"""A folder for one command, or what to do about there being none."""

import errno
import tempfile
from pathlib import Path

import pytest

from iron_proxy.errors import StartupError
from iron_proxy.temporary_folder import open_temporary_folder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_there_until_it_is_left(place: Path) -> None:
    with open_temporary_folder("iron-proxy-test-") as name:
        assert Path(name).parent == place
        assert Path(name).name.startswith("iron-proxy-test-")
        assert Path(name).stat().st_mode & 0o777 == 0o700

    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            "no folder for temporary files can be written to; name one that can: TMPDIR=FOLDER",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "making a folder in {place}: no space left on device; name another place: TMPDIR=FOLDER",
        ),
    ],
    ids=["nowhere", "full"],
)
def test_where_none_can_be_made_a_sentence_says_what_to_do(
    error: OSError, sentence: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(tempfile, "TemporaryDirectory", fail)

    with pytest.raises(StartupError) as raised:
        open_temporary_folder("iron-proxy-test-")

    assert str(raised.value) == sentence.format(place=place)
