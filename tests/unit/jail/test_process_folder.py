import os

import pytest
from tests.fakes.namespaces import run_in_namespaces

WITH_PROCESSES = 0x10000000 | 0x40000000 | 0x00020000 | 0x20000000
BEGIN = """
from pathlib import Path
from iron_proxy.jail.mounts import Covers, detach_from_machine
from iron_proxy.jail.process_folder import mount_processes, protect_settings
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
detach_from_machine()
mount_processes()
"""


def test_only_the_jails_processes_are_to_be_seen() -> None:
    printed = run_in_namespaces(
        BEGIN + "print([name for name in os.listdir('/proc') if name.isdigit()])", WITH_PROCESSES
    )

    assert printed.strip() == "['1']"


@pytest.mark.skipif(os.geteuid() != 0, reason="the settings of the machine belong to root by user id")
def test_settings_of_the_machine_are_read_only_even_to_its_root() -> None:
    printed = run_in_namespaces(
        BEGIN
        + """
system_calls.mount("tmpfs", "/mnt", "tmpfs")
covers = Covers("/mnt/staging", {})
protect_settings(covers)
def attempt(path):
    try:
        os.close(os.open(path, os.O_WRONLY))
        print("open")
    except OSError as error:
        print(error.strerror)
attempt("/proc/sys/kernel/core_pattern")
attempt("/proc/self/oom_score_adj")
print(Path("/proc/sys/kernel/ostype").read_text().strip())
""",
        WITH_PROCESSES,
    )

    assert printed.splitlines() == ["Read-only file system", "open", "Linux"]
