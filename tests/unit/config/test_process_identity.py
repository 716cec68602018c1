"""Users and groups of this machine, by name and by number."""

import pwd

import pytest

from iron_proxy.config.process_identity import find_identity
from iron_proxy.config.schema import ProcessConfig
from iron_proxy.errors import StartupError

NOBODY = pwd.getpwnam("nobody")
# Beyond what systems give out.
UNKNOWN = 3_000_000_123


@pytest.mark.parametrize("user", ["nobody", str(NOBODY.pw_uid)])
def test_a_user_brings_its_groups(user: str) -> None:
    identity = find_identity(ProcessConfig(user))

    assert (identity.name, identity.uid, identity.gid) == (user, NOBODY.pw_uid, NOBODY.pw_gid)
    assert NOBODY.pw_gid in identity.groups


@pytest.mark.parametrize("group", ["daemon", "1"])
def test_another_group_takes_the_place_of_its_own(group: str) -> None:
    identity = find_identity(ProcessConfig("nobody", group))

    assert identity.gid == 1
    assert identity.groups[0] == 1


def test_a_number_that_nobody_has_will_do_with_a_group() -> None:
    identity = find_identity(ProcessConfig(str(UNKNOWN), "1"))

    assert (identity.uid, identity.gid, identity.groups) == (UNKNOWN, 1, (1,))


@pytest.mark.parametrize(
    ("process", "sentence"),
    [
        (ProcessConfig("no-such-user"), r'process\.user: there is no user "no-such-user" on this machine'),
        (ProcessConfig("99999999999"), r'process\.user: there is no user "99999999999"'),
        (ProcessConfig("²"), r'process\.user: there is no user "²"'),
        (ProcessConfig(str(UNKNOWN)), r"its group is unknown; set process\.group"),
        (ProcessConfig("nobody", "no-such-group"), r'process\.group: there is no group "no-such-group"'),
        (ProcessConfig("00"), r"process\.user: 00 is root, who keeps every right"),
    ],
)
def test_what_cannot_be_is_told_with_its_remedy(process: ProcessConfig, sentence: str) -> None:
    with pytest.raises(StartupError, match=sentence):
        find_identity(process)
