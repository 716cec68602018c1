import errno
from typing import Any

import pytest

from iron_proxy.jail.refusal_reasons import Settings, sentence_for


@pytest.mark.parametrize(
    ("step", "number", "settings", "reason", "remedy"),
    [
        ("namespaces", errno.EPERM, {"unprivileged_clone": "0"}, "root only", "kernel.unprivileged_userns_clone=1"),
        ("identity", errno.EPERM, {"apparmor_restricts": "1"}, "AppArmor", "restrict_unprivileged_userns=0"),
        ("network", errno.EPERM, {"apparmor_restricts": "1"}, "AppArmor", "restrict_unprivileged_userns=0"),
        ("namespaces", errno.ENOSPC, {"most_user_namespaces": "0"}, "no more user", "user.max_user_namespaces"),
        ("namespaces", errno.EPERM, {"most_user_namespaces": "0"}, "no more user", "user.max_user_namespaces"),
        ("namespaces", errno.ENOSPC, {}, "no more user", "user.max_user_namespaces"),
        ("namespaces", errno.EPERM, {"seccomp_mode": "2"}, "container", "seccomp=unconfined"),
        ("namespaces", errno.EPERM, {"selinux_denies": "1 1"}, "SELinux", "setsebool"),
        ("namespaces", errno.EPERM, {"selinux_denies": "0 0"}, "does not allow", "outside of it"),
        ("namespaces", errno.EINVAL, {}, "no user namespaces", "CONFIG_USER_NS"),
        ("namespaces", errno.EPERM, {}, "container or a chroot", "outside of it"),
        ("processes", errno.EPERM, {}, "/proc are covered", "systempaths=unconfined"),
    ],
)
def test_the_reason_is_found_in_the_kernels_settings(
    step: str, number: int, settings: dict[str, Any], reason: str, remedy: str
) -> None:
    sentence = sentence_for(step, number, "", Settings(**settings))

    assert reason in sentence
    assert remedy in sentence
    assert "--weak" in sentence


@pytest.mark.parametrize(
    ("step", "number", "sentence"),
    [
        ("doors", errno.EADDRINUSE, "two doors of the jail have the same port: configure another one"),
        ("mounts", errno.EIO, "the jail could not be made: mounts: TEXT"),
        ("mounts", errno.EPERM, "the jail could not be made: mounts: TEXT"),
        ("start", 0, "the jail could not be made: start: TEXT"),
    ],
)
def test_other_failures_are_told_as_they_are(step: str, number: int, sentence: str) -> None:
    assert sentence_for(step, number, "TEXT", Settings()) == sentence


def test_a_working_directory_that_is_hidden_is_named_as_the_reason() -> None:
    for number in (errno.ENOENT, errno.EACCES):
        sentence = sentence_for("working directory", number, "TEXT", Settings(apparmor_restricts="1"))

        assert sentence.startswith("the working directory cannot be entered inside (TEXT)")


def test_the_settings_of_this_machine_can_be_read() -> None:
    settings = Settings.read()

    assert settings.most_user_namespaces is None or settings.most_user_namespaces.isdigit()
    assert settings.seccomp_mode in ("0", "1", "2")
