import errno
import os
from pathlib import Path

import pytest
from tests.fakes.namespaces import run_in_namespaces

from iron_proxy.linux import system_calls


def test_a_call_that_fails_says_why_and_where(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)) as caught:
        system_calls.mount("none", str(tmp_path), "no-such-file-system")

    assert caught.value.errno in (errno.ENODEV, errno.EPERM)


def test_a_path_with_a_null_byte_is_not_cut() -> None:
    with pytest.raises(ValueError, match="null"):
        system_calls.mount("none", "/tmp\0/etc", "tmpfs")


def test_a_capability_that_does_not_exist_is_an_error() -> None:
    assert system_calls.prctl(system_calls.PR_CAPBSET_READ, 0) in (0, 1)
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        system_calls.prctl(system_calls.PR_CAPBSET_READ, 63)


def test_namespaces_can_be_left_and_capabilities_given_up() -> None:
    printed = run_in_namespaces("""
        from pathlib import Path
        def effective():
            return [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line]
        before = effective()
        system_calls.mount("tmpfs", "/tmp", "tmpfs", system_calls.MS_NOSUID, "size=1m")
        system_calls.clear_capabilities()
        print(before != effective(), effective())
        """)

    assert printed.strip() == "True ['0000000000000000']"
