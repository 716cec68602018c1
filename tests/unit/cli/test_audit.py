"""`iron-proxy audit`: what is said of a log, and how it ends."""

import json
from pathlib import Path

import pytest
from tests.unit.audit.logs import whole_log

from iron_proxy.audit.signing import read_signer
from iron_proxy.cli.audit import run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(whole_log(10)))
    return path


def test_a_whole_log_is_whole(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(log)]) == 0

    assert capsys.readouterr().out == "records 1 to 12; not signed\nthe log is whole\n"


def test_a_changed_log_is_told_with_its_place(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_bytes(log.read_bytes().replace(b'"/3"', b'"/x"'))

    assert run(["verify", str(log)]) == 1

    assert capsys.readouterr().out == (
        f"{log}:5: the line was changed\nrecords 1 to 12; not signed\nthe log is NOT whole\n"
    )


def test_many_findings_are_told_in_part(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_bytes(b"x\n" * 30)

    assert run(["verify", str(log)]) == 1

    assert "and 11 more" in capsys.readouterr().out.splitlines()


def test_rotated_files_are_read_in_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = whole_log(20)
    for name, part in (("a", lines[12:]), ("a.1", lines[5:12]), ("a.2", lines[:5])):
        (tmp_path / name).write_bytes(b"".join(part))

    assert run(["verify", *(str(tmp_path / name) for name in ("a", "a.1", "a.2"))]) == 0
    assert run(["verify", str(tmp_path / "a")]) == 1
    assert run(["verify", "-tail", str(tmp_path / "a")]) == 0
    assert run(["verify", "-open", str(tmp_path / "a.2"), str(tmp_path / "a.1")]) == 0
    capsys.readouterr()


def test_a_log_of_several_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stderr.log"
    path.write_bytes(b'{"msg":"iron-proxy starting"}\n'.join(b"".join(whole_log(3)) for _ in range(2)))

    assert run(["verify", str(path)]) == 1
    capsys.readouterr()
    assert run(["verify", "-restarts", str(path)]) == 0
    assert "1 lines of the process log between them" in capsys.readouterr().out


def test_keys_are_made_and_a_signed_log_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(tmp_path / "k")
    assert run(["keygen", "-out", name]) == 0
    assert capsys.readouterr().out == (
        f"wrote {name}.key (for audit.sign_key)\nwrote {name}.pub (for audit verify -key; keep it elsewhere)\n"
    )
    assert run(["keygen", "-out", name]) == 1
    assert "file exists" in capsys.readouterr().err
    path = tmp_path / "log"
    path.write_bytes(b"".join(whole_log(12, read_signer(f"{name}.key"))))

    assert run(["verify", "-key", f"{name}.pub", str(path)]) == 0
    assert "2 signatures hold, 0 records behind the last one" in capsys.readouterr().out
    assert run(["verify", str(path)]) == 0
    assert "2 signatures, not checked (-key)" in capsys.readouterr().out


def test_as_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_bytes(log.read_bytes() + b"x\n")

    assert run(["verify", "-json", str(log)]) == 1

    told = json.loads(capsys.readouterr().out)
    assert (told["whole"], told["records"], told["first"], told["last"]) == (False, 12, 1, 12)
    assert told["findings"] == [
        {"file": str(log), "line": 13, "finding": "the line is not in the chain: it was added, or changed"}
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "iron-proxy audit verify FILE"),
        (["prove"], 2, "iron-proxy audit verify FILE"),
        (["-h"], 0, "Usage of audit verify"),
        (["verify", "-h"], 0, "Usage of audit verify"),
        (["verify"], 2, "name the files of the log"),
        (["verify", "-bogus", "x"], 2, "flag provided but not defined: -bogus"),
        (["verify", "x", "-open"], 2, "flags stand before the files"),
        (["verify", "/nowhere"], 1, "/nowhere: no such file or directory"),
        (["verify", "/"], 1, "is a directory"),
        (["verify", "-key", "/nowhere", "x"], 1, "-key: /nowhere: no such file"),
        (["keygen", "-h"], 0, "Usage of audit keygen"),
        (["keygen", "x"], 2, "the name is given as: -out NAME"),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == status

    assert message in capsys.readouterr().err
