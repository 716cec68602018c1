"""
`process.user`: who the proxy is once everything is bound and open, and the end of every privilege that it had before.

Called by `serving.py` while there is one thread: capabilities are each thread's own.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from iron_proxy.config.process_identity import Identity, find_identity
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.runtime.hardening import deny_looking_in


def give_up_privileges(config: Config) -> None:
    """
    Become the configured user for good, with no capability left and no way to get one. Raises StartupError.

    A process that is that user already gives up its capabilities.
    """
    identity = find_identity(config.process)
    if sys.platform == "linux":
        _forbid_capabilities()
    _become(identity)
    if sys.platform == "linux":
        from iron_proxy.linux.system_calls import clear_capabilities

        clear_capabilities()
    deny_looking_in()                            # the kernel has allowed it again, with the new user id
    _check_given_up(identity)
    _check_can_go_on(identity, config)


def _forbid_capabilities() -> None:
    from iron_proxy.linux.capabilities import forbid_new_capabilities

    # Without the right to, there is nothing to fear: `hardening.py` has forbidden to gain any by executing a program.
    with suppress(PermissionError):
        forbid_new_capabilities()


def _become(identity: Identity) -> None:
    if (os.getuid(), os.geteuid(), os.getgid()) == (identity.uid, identity.uid, identity.gid):
        return                                   # its supplementary groups are what whoever started it has given it
    try:
        os.setgroups(identity.groups)
        os.setgid(identity.gid)                  # with root's right these set the saved ones, too
        os.setuid(identity.uid)
    except PermissionError as error:
        raise StartupError(
            f"process.user: only root can become {identity.name}; start as root, or as that user, or leave it out"
        ) from error
    except OSError as error:
        raise StartupError(f"process.user: becoming {identity.name}: {(error.strerror or '').lower()}") from error


def _check_given_up(identity: Identity) -> None:
    """Never serve with rights that were to be gone, whatever the kernel has made of the calls."""
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise StartupError(f"process.user: as {identity.name} the rights of root can be had back; nothing is served so")


def _check_can_go_on(identity: Identity, config: Config) -> None:
    """What would fail later: code that is imported when it is first needed, and an audit file that is put aside."""
    for folder in _code():
        if not os.access(folder, os.R_OK | os.X_OK):
            raise StartupError(
                f"process.user: {identity.name} cannot read {folder}, where this program is; install it where that "
                "user can read it (not in the home directory of root)"
            )
    if config.audit.file is not None:
        folder = os.path.dirname(config.audit.file) or "."
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StartupError(
                f"audit.file: {identity.name} cannot write to {folder}, where the file is put aside and made again; "
                f"chown {identity.name} {folder}"
            )


def _code() -> Iterable[str]:
    return str(Path(__file__).parents[1]), os.path.dirname(os.__file__)
