"""
The program that `iron-proxy run -weak` runs for a job: it hands on what it was told, and waits to be ended.

The proxy lives as long as this does, and with it the key of the CA, which is in its memory only.
"""

import os
import select
import shutil
from collections.abc import Iterable, Mapping

from iron_proxy.errors import StartupError
from iron_proxy.github_action.job_folder import JobFolder
from iron_proxy.jail import trust
from iron_proxy.jail.client_environment import VARIABLES, Holds

_FIRST = "SSL_CERT_FILE"
_NAMES = tuple(variable.name for variable in VARIABLES)
_PROXY_NAMES = tuple(variable.name for variable in VARIABLES if variable.is_about_proxy)
_FILES = {Holds.BUNDLE, Holds.CA}


def hold(folder: JobFolder, secret_variables: Iterable[str], environment: Mapping[str, str]) -> None:
    """Returns when somebody has opened the FIFO for writing and closed it again. Raises StartupError."""
    if "HTTPS_PROXY" not in environment:
        raise StartupError("tls.mode sni-only: the action tells programs of the proxy together with its CA; use mitm")
    descriptor = os.open(folder.stop, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        old = os.path.dirname(environment[_FIRST])
        for name in os.listdir(old):
            shutil.copyfile(os.path.join(old, name), folder.path / name)
        wanted = [name for name in (*_NAMES, *secret_variables) if name in environment]
        told = {name: environment[name].replace(old, str(folder.path)) for name in wanted}
        folder.write(folder.variables, told)
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


def distrust(folder: JobFolder, told: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """
    Take the CA out of the files that variables name; returns the variables as they have to be from here on.

    A variable of GitHub's cannot be unset, and steps may come after us (caches are saved at the end of a job): files
    stay where they are, with the system's roots alone, and the proxy's variables get what they had before, or nothing.
    """
    roots = trust.bundle_with(b"", trust.system_roots(before))
    for variable in VARIABLES:
        path = told.get(variable.name, "")
        if variable.holds in _FILES and os.path.dirname(path) == str(folder.path):
            trust.write_trust_file(path, roots)
    after = {name: before.get(name, "") for name in (*_PROXY_NAMES, "JAVA_TOOL_OPTIONS")}
    return {name: value for name, value in after.items() if name in told}
