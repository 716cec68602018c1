"""Becoming another user, in a process of its own that never comes back; `/proc` of the real proxy is end_to_end's."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.namespaces import SOURCE
from tests.fakes.readable_python import readable_by_others

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

CODE = """
import os, sys
sys.path.append({source!r})
from pathlib import Path
from iron_proxy.config.schema import AuditConfig, Config, ProcessConfig
from iron_proxy.errors import StartupError
from iron_proxy.runtime.hardening import harden_server
from iron_proxy.runtime.privileges import give_up_privileges
harden_server()
try:
    {before}
    give_up_privileges(Config(process={process}, audit={audit}))
except StartupError as error:
    print(error)
    sys.exit()
lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(os.getresuid(), os.getresgid(), os.getgroups())
print(*(lines[f"Cap{{name}}"].strip().strip("0") for name in ("Inh", "Prm", "Eff", "Amb")), sep="")
for regain in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: open("/etc/shadow")):
    try:
        regain()
        print("regained")
    except PermissionError:
        pass
"""


@pytest.fixture
def aside() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def printed(aside: Path, process: str, *, audit: str = "AuditConfig()", before: str = "pass") -> str:
    code = CODE.format(source=str(SOURCE), process=process, audit=audit, before=before)
    prefix = readable_by_others(aside)
    done = subprocess.run(
        [*prefix, sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=20, check=True, cwd="/"
    )
    return done.stdout.strip()


def test_ids_groups_and_capabilities_are_another_users_for_good(aside: Path) -> None:
    told = printed(aside, "ProcessConfig('65534', '65533')")

    assert told == "(65534, 65534, 65534) (65533, 65533, 65533) [65533]" or told.startswith(
        "(65534, 65534, 65534) (65533, 65533, 65533) [65533, "          # with the groups of nobody, where it has some
    )
    assert "\n" not in told


def test_who_is_that_user_already_gives_up_capabilities(aside: Path) -> None:
    started_as = (
        "import ctypes; ctypes.CDLL(None).prctl(8, 1, 0, 0, 0); os.setgroups([7]); os.setgid(65534); os.setuid(65534)"
    )

    told = printed(aside, "ProcessConfig('65534', '65534')", before=started_as)

    assert told == "(65534, 65534, 65534) (65534, 65534, 65534) [7]"


def test_a_program_that_the_user_cannot_read_is_not_started(aside: Path) -> None:
    hidden = "import iron_proxy.runtime.privileges as module; module._code = lambda: ['/root/hidden']"

    assert printed(aside, "ProcessConfig('65534', '65534')", before=hidden) == (
        "process.user: 65534 cannot read /root/hidden, where this program is; install it where that user can read it "
        "(not in the home directory of root)"
    )


def test_an_audit_file_has_to_be_in_a_folder_of_the_user(aside: Path) -> None:
    told = printed(aside, "ProcessConfig('65534', '65534')", audit="AuditConfig('file', '/etc/audit.jsonl')")

    assert told.startswith("audit.file: 65534 cannot write to /etc, where the file is put aside and made again")


def test_rights_that_can_be_had_back_are_not_served_with(aside: Path) -> None:
    nothing_happens = "os.setuid = lambda uid: None"

    told = printed(aside, "ProcessConfig('65534', '65534')", before=nothing_happens)

    assert told == "process.user: as 65534 the rights of root can be had back; nothing is served so"
