"""
The environment of the program: that of the caller, without proxies and secrets, with proxy tokens and our CA.

Pure; called by `preparation.py`. A value that holds a secret is not passed on under whatever name.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from msgspec import json

from iron_proxy.jail.client_environment import VARIABLES

# Proxies that programs are told of by variables of their own; there is another one now.
_OTHER_PROXIES: Final = frozenset((
    "cargo_http_proxy", "ftp_proxy", "global_agent_http_proxy", "global_agent_https_proxy", "npm_config_http_proxy",
    "npm_config_https_proxy", "npm_config_noproxy", "npm_config_proxy", "pip_proxy", "rsync_proxy",
))  # fmt: skip
_PROXIES: Final = _OTHER_PROXIES | {variable.name.lower() for variable in VARIABLES if variable.is_about_proxy}

# From a line of JSON to the names of the secrets in it (`secret_sources/known_values.py`).
FindSecrets = Callable[[bytes], tuple[str, ...]]


class CleanEnvironment(NamedTuple):
    """What is left of an environment, and which variables were taken out because a secret stood in them."""

    variables: dict[str, str]
    betraying: dict[str, str]  # the variable → the name of the secret


def clean(outer: Mapping[str, str], secret_variables: Collection[str], find_secrets: FindSecrets) -> CleanEnvironment:
    """
    Without proxies, without `secret_variables`, and without whatever holds a secret that is known by its value.

    Those that were to be removed anyway are not told.
    """
    kept: dict[str, str] = {}
    betraying: dict[str, str] = {}
    for name, value in outer.items():
        if name in secret_variables or name.lower() in _PROXIES:
            continue
        found = find_secrets(json.encode(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")))
        if found:
            betraying[name] = found[0]
        else:
            kept[name] = value
    return CleanEnvironment(kept, betraying)
