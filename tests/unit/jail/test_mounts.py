from pathlib import Path

import pytest
from tests.fakes.namespaces import run_in_namespaces

# A file system of the namespace's own for the tests to work on; what they make is gone with it.
WORLD = """
from pathlib import Path
from iron_proxy.jail.mounts import Covers, detach_from_machine, hold, make_read_only
detach_from_machine()
system_calls.mount("tmpfs", "/mnt", "tmpfs")
for name in ("services/session", "work", "own"):
    Path("/mnt", name).mkdir(parents=True)
for name in ("services/socket", "services/session/kept", "work/secret", "work/plain"):
    Path("/mnt", name).write_text(name)
os.symlink("/mnt/services", "/mnt/link")
os.symlink("/mnt/services/made/resolv.conf", "/mnt/work/resolv.conf")
def attempt(act):
    try:
        print(act())
    except OSError as error:
        print(error.strerror)
system_calls.mount("tmpfs", "/mnt/own", "tmpfs")
held = hold(["/mnt/services/session/kept", "/mnt/nothing"])
covers = Covers("/mnt/own/staging", held)
"""


def run(code: str) -> list[str]:
    return run_in_namespaces(WORLD + code).splitlines()


def test_a_covered_folder_is_empty_but_for_what_is_put_back() -> None:
    printed = run("""
covers.cover("/mnt/services")
covers.put_back()
print(sorted(os.listdir("/mnt/services")), Path("/mnt/services/session/kept").read_text())
print(sorted(os.listdir("/mnt/link")))
""")

    assert printed == ["['session'] services/session/kept", "['session']"]


def test_a_link_to_a_covered_folder_is_not_covered_again() -> None:
    printed = run("""
covers.cover("/mnt/services")
count = len(Path("/proc/self/mountinfo").read_text().splitlines())
covers.cover("/mnt/link")
covers.cover("/mnt/nothing")
print(len(Path("/proc/self/mountinfo").read_text().splitlines()) - count)
""")

    assert printed == ["0"]


def test_a_folder_that_programs_expect_is_made_again_only_in_a_cover() -> None:
    printed = run("""
covers.cover("/mnt/services")
covers.remake("/mnt/services/user/1000", 0o700)
print(oct(os.stat("/mnt/services/user/1000").st_mode & 0o7777))
covers.remake("/nowhere/at/all", 0o700)
print(os.path.exists("/nowhere"))
""")

    assert printed == ["0o700", "False"]


@pytest.mark.parametrize("path", ["/mnt/work/secret", "/mnt/work"])
def test_what_is_masked_cannot_be_read_written_or_taken_away(path: str) -> None:
    printed = run(f"""
from iron_proxy.jail.privileges import drop_privileges
covers.mask({path!r})
covers.mask("/mnt/nothing")
covers.close()
drop_privileges()
attempt(lambda: os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}).read())
attempt(lambda: open("/mnt/work/secret", "w"))
attempt(lambda: os.chmod({path!r}, 0o777))
attempt(lambda: os.rename({path!r}, "/mnt/elsewhere"))
attempt(lambda: system_calls._check(system_calls._libc.umount2({path!r}.encode(), 2)))
""")

    assert printed[0] == "Permission denied"
    assert printed[1] in ("Permission denied", "Read-only file system")
    assert printed[2:] == ["Read-only file system", "Device or resource busy", "Operation not permitted"]


def test_a_file_is_shown_instead_and_cannot_be_changed() -> None:
    printed = run("""
print(covers.show("/mnt/work/plain", b"shown"))
covers.close()
print(Path("/mnt/work/plain").read_text(), os.path.exists("/mnt/own/staging"))
attempt(lambda: open("/mnt/work/plain", "w"))
""")

    assert printed == ["True", "shown False", "Read-only file system"]


def test_a_link_into_a_covered_folder_shows_a_file_there() -> None:
    """/etc/resolv.conf often leads below /run."""
    printed = run("""
covers.cover("/mnt/services")
print(covers.show("/mnt/work/resolv.conf", b"nameserver 127.0.0.1"))
print(Path("/mnt/work/resolv.conf").read_text())
""")

    assert printed == ["True", "nameserver 127.0.0.1"]


def test_nothing_is_made_on_the_machine_for_a_file_without_a_place(tmp_path: Path) -> None:
    printed = run(f"""
print(covers.show("{tmp_path}/new.pem", b"x"))
""")

    assert printed == ["False"]
    assert list(tmp_path.iterdir()) == []


def test_a_mount_is_read_only_with_all_it_was_besides() -> None:
    printed = run("""
system_calls.mount("tmpfs", "/mnt/work", "tmpfs", system_calls.MS_NOSUID | system_calls.MS_NOEXEC)
make_read_only("/mnt/work")
flags = os.statvfs("/mnt/work").f_flag
print(bool(flags & os.ST_RDONLY), bool(flags & os.ST_NOSUID), bool(flags & os.ST_NOEXEC), bool(flags & os.ST_NODEV))
""")

    assert printed == ["True True True False"]
