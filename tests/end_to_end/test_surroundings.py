"""
The command on machines that lack something: a disk that can be written to, a home, an encoding, rights, the right time.

Each gets along, or ends with one sentence that says what to do and the documented exit status; nobody sees a traceback.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.fakes.audit_lines import audit_line
from tests.fakes.run_world import NOBODY, ROOT, RunWorld, interpreter

from iron_proxy.version import __version__

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

CONFIGURATION = """\
dns: {enabled: false}
proxy: {http_listen: "127.0.0.1:0", https_listen: "off", tunnel_listen: "off"}
tls: {ca_cert: ca.crt, ca_key: ca.key}
metrics: {listen: "off"}
transforms: [{name: allowlist, config: {domains: ["example.com"]}}]
"""
# The path of a record, and a key that a configuration does not have: in no encoding but Unicode's.
EURO = "/caf\u00e9-\u20ac"
MISSPELT = "\u00fcml\u00e4ut-\u20ac"


UTF8 = {"LC_ALL": "C.UTF-8"}


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: bytes
    err: str


def run(*arguments: str, folder: Path, before: tuple[str, ...] = (), environment: Mapping[str, str] = UTF8) -> Ended:
    """The command with nothing in its environment but what is given, to its end."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), **environment}
    done = subprocess.run(
        [*before, sys.executable, "-m", "iron_proxy", *arguments],
        cwd=folder, env=known, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode("utf-8", "replace")
    assert b"internal error" not in done.stderr, done.stderr.decode("utf-8", "replace")
    return Ended(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration with its CA, and an audit file."""
    (tmp_path / "proxy.yaml").write_text(CONFIGURATION)
    (tmp_path / "misspelt.yaml").write_text(f"{CONFIGURATION}{MISSPELT}: 1\n", encoding="utf-8")
    (tmp_path / "audit.jsonl").write_bytes(audit_line(host="example.com", path=EURO))
    assert run("generate-ca", "-alg", "p256", folder=tmp_path).status == 0
    return tmp_path


# --- encodings ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A locale of last century, whose encoding has no euro and no arrows."""
    name = "de_DE.ISO-8859-1"
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None:
        pytest.skip("needs localedef")
    subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", folder / name], capture_output=True, check=False)
    if not (folder / name).is_dir():
        pytest.skip("needs the sources of locales (Debian: locales)")
    return {"LOCPATH": str(folder), "LANG": name}


@pytest.fixture(params=["C", "ASCII", "ISO-8859-1"])
def encoding(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """What the environment says of it."""
    if request.param == "ISO-8859-1":
        found: Mapping[str, str] = request.getfixturevalue("german")
        return found
    # Python makes UTF-8 of a plain C locale, unless it is told not to.
    strict = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"} if request.param == "ASCII" else {}
    return {"LC_ALL": "C", **strict}


@pytest.mark.parametrize(
    "command",
    [["schema"], ["learn", "audit.jsonl"], ["logs", "-json", "audit.jsonl"], ["check", "-json", "-config",
     "misspelt.yaml"], ["explain", "-json", "-config", "proxy.yaml", "GET", "https://example.com/caf%C3%A9"]],
    ids=lambda command: command[0],
)  # fmt: skip
def test_what_programs_read_is_the_same_in_every_encoding(
    command: list[str], folder: Path, encoding: Mapping[str, str]
) -> None:
    assert run(*command, folder=folder, environment=encoding)[:2] == run(*command, folder=folder)[:2]


def test_the_json_of_the_demo_is_utf8(tmp_path: Path, encoding: Mapping[str, str]) -> None:
    ended = run("demo", "-json", folder=tmp_path, environment=encoding)

    assert (ended.status, json.loads(ended.out.decode("utf-8"))["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("status", "command"),
    [
        (2, ["check", "-config", "misspelt.yaml"]),
        (2, ["-config", "misspelt.yaml"]),
        (1, ["explain", "-config", "proxy.yaml", "GET", "https://other.example/caf%C3%A9"]),
        (0, ["logs", "audit.jsonl"]),
        (0, ["logs", "-stats", "audit.jsonl"]),
        (0, ["demo"]),
        (0, ["doctor", "-only", "python"]),
        (0, ["init", "-list"]),
        (0, ["secrets", "check", "-config", "proxy.yaml"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_people_read_is_told_in_every_encoding(
    status: int, command: list[str], folder: Path, encoding: Mapping[str, str]
) -> None:
    ended = run(*command, folder=folder, environment=encoding)

    assert ended.status == status, ended.err
    assert ended.out or "unknown key" in ended.err


# --- nothing can be written -----------------------------------------------------------------------------------------

# Whatever is mounted; in a namespace of its own, so that the machine stays as it is.
READ_ONLY = (
    "unshare", "--mount", "--propagation", "private", "sh", "-c",
    "for point in $(cut -d' ' -f2 /proc/mounts | grep -v -e ^/proc -e ^/sys -e ^/dev); do"
    " mount -o remount,bind,ro $point 2>/dev/null; done; touch here 2>/dev/null && exit 99; exec \"$@\"", "sh",
)  # fmt: skip


@pytest.fixture(scope="module")
def read_only() -> tuple[str, ...]:
    """What to put before a command that finds no place to write to."""
    tried = subprocess.run([*READ_ONLY, "true"], cwd="/tmp", capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this machine cannot be made read-only for one process: {tried.stderr.strip()}")
    return READ_ONLY


NO_FOLDER = "no folder for temporary files can be written to; name one that can: TMPDIR=FOLDER"


@pytest.mark.root
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["demo"], f"error: {NO_FOLDER}"),
        (["doctor", "-only", "python"], f"error: {NO_FOLDER}"),
        (["run", "-weak", "--", "true"], f"iron-proxy: {NO_FOLDER}"),
        (["run", "-audit", "a.jsonl", "--", "true"], "iron-proxy: writing a.jsonl: read-only file system"),
        (["run", "-learn", "a.yaml", "--", "true"], "iron-proxy: writing a.yaml: read-only file system"),
        (["run", "-summary-file", "s", "--", "true"], "iron-proxy: writing s: read-only file system"),
        (["init", "-preset", "pip"], "error: writing iron-proxy.yaml: read-only file system"),
        (["generate-ca", "-outdir", "new"], "error: creating new: read-only file system"),
        (["learn", "audit.jsonl", "-out", "l.yaml"], "error: writing l.yaml: read-only file system"),
        (["audit", "keygen"], "error: cannot create audit-sign.key: read-only file system"),
        (
            ["env", "-config", "proxy.yaml", "-proxy", "none", "-bundle", "/nowhere.crt"],
            "error: writing /nowhere.crt: read-only file system; name another place with: -bundle FILE",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_where_nothing_can_be_written_one_sentence_says_so(
    command: list[str], sentence: str, folder: Path, read_only: tuple[str, ...]
) -> None:
    ended = run(*command, folder=folder, before=read_only)

    assert (ended.status, ended.err.splitlines()[-1]) == (1, sentence)


@pytest.mark.root
def test_a_run_in_a_jail_needs_no_disk(run_world: RunWorld, read_only: tuple[str, ...]) -> None:
    fetch = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://example.com/"]
    inside = run_world.command("-allow", "example.com", "--", *fetch)
    entered = inside.index(interpreter("root"))

    done = subprocess.run(
        [*inside[:entered], *read_only, *inside[entered:]], env=run_world.environment(), cwd=run_world.folder,
        capture_output=True, timeout=60, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "200"), done.stderr


# --- no home --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [["version"], ["demo"], ["doctor", "-only", "python"], ["check", "-config", "proxy.yaml"]],
    ids=lambda command: command[0],
)
def test_nothing_needs_a_home(command: list[str], folder: Path) -> None:
    assert run(*command, folder=folder).status == 0


@pytest.mark.root
@pytest.mark.parametrize("uid", [0, 54321], ids=["root", "a user without a name"])
def test_a_run_needs_neither_a_home_nor_a_name(uid: int, run_world: RunWorld) -> None:
    if not interpreter(NOBODY):
        pytest.skip("no Python of this version that others may start")
    user = NOBODY if uid else "root"
    fetch = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://example.com/"]
    words = run_world.command("-allow", "example.com", "--", *fetch, user=user)
    words = [f"--reuid={uid}" if word.startswith("--reuid=") else word for word in words]
    environment = {name: value for name, value in run_world.environment(user).items() if name != "HOME"}

    done = subprocess.run(
        words, env=environment, cwd=run_world.folder, capture_output=True, timeout=60, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "200"), done.stderr


# --- ports ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        yield port


def test_a_port_in_use_is_named_with_its_key(taken: int, folder: Path) -> None:
    text = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{taken}")
    (folder / "taken.yaml").write_text(text)

    ended = run("-config", "taken.yaml", folder=folder)

    assert (ended.status, ended.err.splitlines()[-1]) == (
        1,
        f"error: proxy.http_listen: listen 127.0.0.1:{taken}: address already in use "
        "(another program has it; stop that or choose another address in proxy.http_listen)",
    )


@pytest.mark.root
@pytest.mark.parametrize(
    ("key", "port", "configuration"),
    [
        ("proxy.http_listen", 80, CONFIGURATION.replace("127.0.0.1:0", "127.0.0.1:80")),
        ("proxy.https_listen", 443, CONFIGURATION.replace('"off", tunnel', '"127.0.0.1:443", tunnel')),
        (
            "dns.listen", 53,
            CONFIGURATION.replace("{enabled: false}", '{listen: "127.0.0.1:53", proxy_ip: "127.0.0.1"}'),
        ),
    ],
    ids=["80", "443", "53"],
)  # fmt: skip
def test_a_port_that_needs_a_right_is_named_with_it(
    key: str, port: int, configuration: str, folder: Path, run_world: RunWorld
) -> None:
    (folder / "low.yaml").write_text(configuration)
    # In a network of its own, where the kernel's setting for low ports is the usual one.
    before = (*run_world.namespace.prefix(dns=True), "setpriv", "--bounding-set=-all", "--inh-caps=-all")

    ended = run("-config", "low.yaml", folder=folder, before=before)

    assert (ended.status, ended.err.splitlines()[-1]) == (
        1,
        f"error: {key}: listen 127.0.0.1:{port}: permission denied "
        f"(ports below 1024 need CAP_NET_BIND_SERVICE or root; or choose a higher port in {key})",
    )


# --- the wrong time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "sentence"),
    [("+400d", "make a new one with: iron-proxy generate-ca"), ("-400d", "check this machine's clock")],
    ids=["a year ahead", "a year behind"],
)
def test_a_clock_that_is_wrong_by_a_year_is_told_by_the_ca(shift: str, sentence: str, folder: Path) -> None:
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime (Debian: faketime)")
    before = ("faketime", "-f", shift)

    ended = run("-config", "proxy.yaml", folder=folder, before=before)
    checked = run("check", "-config", "proxy.yaml", folder=folder, before=before)

    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("error: CA certificate ")
    assert ended.err.endswith(f"{sentence}\n")
    assert (checked.status, sentence in checked.out.decode()) == (2, True)


# --- a Python that is too old ---------------------------------------------------------------------------------------


def test_a_python_that_is_too_old_is_told_what_is_needed(tmp_path: Path) -> None:
    """By `make venv`; pip refuses by what the package says of itself (`requires-python`)."""
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\ncase $2 in *exit*) exit 1 ;; esac\necho 3.10\n")
    old.chmod(0o755)

    done = subprocess.run(
        [ROOT / "scripts" / "make-venv", old, tmp_path / "venv"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (
        1,
        f"error: iron-proxy needs Python 3.11 or newer and {old} is 3.10; "
        "name a newer one: make venv PYTHON=python3.13\n",
    )
    assert not (tmp_path / "venv").exists()


def test_the_version_is_told_before_anything_is_needed(tmp_path: Path) -> None:
    ended = run("version", folder=tmp_path)

    assert (ended.status, ended.out, ended.err) == (0, f"{__version__}\n".encode(), "")
