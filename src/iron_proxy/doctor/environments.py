"""
The environments that a client is started in: as it is here, and as `iron-proxy env` would make it. Pure.

In both, what could lead a client away from this machine is taken out: other proxies, other indexes, and (by an empty
home) the configuration files that may name some. So the doctor judges variables and trust stores, not those files.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from iron_proxy.jail.client_environment import VARIABLES, Holds

# Proxies of single clients, beside those of VARIABLES. In an environment as it is they keep their place and get the
# address of our proxy.
_MORE_PROXIES: Final = (
    "NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY", "npm_config_proxy", "npm_config_https_proxy", "PIP_PROXY",
    "CARGO_HTTP_PROXY", "SOCKS_PROXY", "socks_proxy",
)  # fmt: skip
_PROXIES: Final = (*(each.name for each in VARIABLES if each.holds is Holds.PROXY), *_MORE_PROXIES)
# Indexes and files of settings that a client would ask or read beside what it is told to.
_LEADS_AWAY: Final = re.compile(
    r"(?:PIP_(?:EXTRA_)?INDEX_URL|PIP_FIND_LINKS|PIP_CONFIG_FILE|PIP_REQUIRE_VIRTUALENV"
    r"|UV_(?:DEFAULT_|EXTRA_)?INDEX(?:_URL)?"
    r"|UV_FIND_LINKS|UV_CONFIG_FILE|CARGO_REGISTR.*|CARGO_SOURCE_.*|GIT_CONFIG.*|GIT_TRACE.*|CURL_HOME|WGETRC"
    r"|(?i:npm_config_(?:registry|userconfig|globalconfig))|JAVA_OPTS|OPENSSL_CONF|SSLKEYLOGFILE|IRON_.*)"
)
_JAVA_OPTIONS: Final = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS")
_JAVA_PROXY: Final = re.compile(r"(-D(?:https?\.proxy|socksProxy))(Host|Port)=[^\s\"']*")


def as_it_is(environment: Mapping[str, str], home: Path, proxy_url: str) -> dict[str, str]:
    """This environment, in which every proxy that is named is ours. What is not set stays so."""
    made = _confined(environment, home)
    for name in _PROXIES:
        if made.get(name):
            made[name] = _in_the_form_of(made[name], proxy_url)
    for name in _JAVA_OPTIONS:
        if name in made:
            made[name] = _with_java_proxy(made[name], proxy_url)
    return made


def rewired(environment: Mapping[str, str], home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """This environment with the variables that `client_environment` made, and none of the same purpose beside them."""
    taken_out = {*(variable.name for variable in VARIABLES), *_MORE_PROXIES, *_JAVA_OPTIONS, "npm_config_cafile"}
    kept = {name: value for name, value in _confined(environment, home).items() if name not in taken_out}
    return {**kept, **variables}


def names_a_proxy(environment: Mapping[str, str]) -> bool:
    """Whether any client would be told of a proxy here."""
    in_java = any(_JAVA_PROXY.search(environment.get(name, "")) for name in _JAVA_OPTIONS)
    return in_java or any(environment.get(name) for name in _PROXIES)


def names_java_proxy(options: str) -> bool:
    """Whether the options of a Java virtual machine name a proxy."""
    return _JAVA_PROXY.search(options) is not None


def _confined(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not _LEADS_AWAY.fullmatch(name)}
    return {**_installed_below_home(environment), **kept, **_empty_home(home)}


def _empty_home(home: Path) -> dict[str, str]:
    """No settings of this user, none of the system's, and nobody to answer a question for a password."""
    nowhere = os.devnull
    return {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home), "CURL_HOME": str(home),
        "GIT_CONFIG_GLOBAL": nowhere, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
        "PIP_CONFIG_FILE": nowhere, "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never",
        "NPM_CONFIG_USERCONFIG": str(home / "npmrc"), "NPM_CONFIG_GLOBALCONFIG": str(home / "npmrc-global"),
        "SYSTEM_WGETRC": nowhere, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }  # fmt: skip


def _installed_below_home(environment: Mapping[str, str]) -> dict[str, str]:
    """Programs and packages, though not settings, of the true home stay where they are."""
    true_home = environment.get("HOME")
    if not true_home:
        return {}
    return {"RUSTUP_HOME": f"{true_home}/.rustup", "PYTHONUSERBASE": f"{true_home}/.local"}


def _in_the_form_of(present: str, proxy_url: str) -> str:
    scheme, sign, _ = present.partition("://")
    authority = proxy_url.partition("://")[2]
    return f"{scheme}://{authority}" if sign and scheme.startswith("socks") else proxy_url


def _with_java_proxy(options: str, proxy_url: str) -> str:
    host, _, port = proxy_url.partition("://")[2].rpartition(":")
    return _JAVA_PROXY.sub(lambda found: f"{found[1]}{found[2]}={host if found[2] == 'Host' else port}", options)
