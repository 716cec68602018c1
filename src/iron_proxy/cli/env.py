"""
`iron-proxy env`: print the variables that make programs trust the proxy's CA and go through the proxy.

    eval "$(iron-proxy env -config proxy.yaml)"

Which variables is `jail/client_environment.py`'s knowledge, what the bundle holds `jail/trust.py`'s, how a shell wants
them `export_syntax.py`'s; here are the flags, and where the answers come from. Standard output holds nothing but the
variables. Called by `main.py`.
"""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import UsageError, read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.export_syntax import CANNOT_UNSET, SHELLS, exports, removals
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.errors import ConfigError, StartupError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:
    from iron_proxy.config.schema import Config

FLAGS = FlagSet(
    "env",
    [
        Flag("config", "", "the YAML file that names the CA and the tunnel listener", "FILE"),
        Flag("ca", "", "the CA's certificate, where there is no configuration", "FILE"),
        Flag("proxy", "", "the URL for HTTPS_PROXY, or none; else the tunnel listener's, if there is one", "URL"),
        Flag("bundle", "", "where to write the bundle; else beside the CA's certificate, as ca-bundle.crt", "FILE"),
        Flag("shell", "bash", "the form: bash (any POSIX shell), fish, github, docker, json or powershell", "SHELL"),
        Flag("unset", False, "print what takes the variables away again; writes nothing"),
    ],
)
NO_PROXY_AT_ALL = "none"


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where the CA is, and by which URL the proxy is reached; None where traffic is routed to it."""

    ca_path: str
    proxy_url: str | None


def run(arguments: list[str]) -> int:
    """Print the variables; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; the file is given as: -config FILE")
    if isinstance(flags, int):
        return flags
    try:
        _check_shell(flags)
        return _print_removals(flags) if flags.boolean("unset") else _print_exports(flags)
    except ConfigError as error:
        return complain(*error.problems, status=USAGE)
    except UsageError as error:
        return complain(error, status=USAGE)
    except StartupError as error:
        return complain(error, status=FAILURE)


def read_wiring(config: "Config | None", ca: str, proxy: str) -> Wiring:
    """
    What flags and configuration say together; flags go first. Paths become absolute.

    Raises UsageError when no CA is named or the URL is none.
    """
    from iron_proxy.jail.client_environment import proxy_url_of

    ca_path = ca or (config.tls.ca_cert if config is not None else None)
    if not ca_path:
        raise UsageError("which CA? Name the configuration (-config FILE) or the CA's certificate (-ca FILE)")
    listen = config.proxy.tunnel_listen if config is not None else None
    if not proxy and listen is not None and listen.port == 0:
        raise UsageError("the port of the tunnel listener is 0, which is known only once it runs: add -proxy URL")
    if proxy == NO_PROXY_AT_ALL or (not proxy and listen is None):
        return Wiring(os.path.abspath(ca_path), None)
    return Wiring(os.path.abspath(ca_path), _checked_url(proxy) if proxy else proxy_url_of(listen))  # type: ignore[arg-type]  # of the two, one is there


def _checked_url(text: str) -> str:
    from iron_proxy.config.proxy_urls import parse_proxy_url

    try:
        address = parse_proxy_url(text)
    except ValueError as error:
        raise UsageError(f"-proxy: {error}") from None
    return text if "://" in text else f"{address.scheme}://{text}"


def _check_shell(flags: ParsedFlags) -> None:
    shell = flags.text("shell")
    if shell not in SHELLS:
        raise UsageError(f'unknown shell "{shell}" (shells: {", ".join(SHELLS)}; sh, dash and zsh take bash)')
    if flags.boolean("unset") and shell in CANNOT_UNSET:
        raise UsageError(f"nothing can be unset in a file of variables; leave -unset or -shell {shell} out")


def _print_removals(flags: ParsedFlags) -> int:
    from iron_proxy.jail.client_environment import VARIABLES

    print(removals(flags.text("shell"), [variable.name for variable in VARIABLES]), end="")
    return OK


def _print_exports(flags: ParsedFlags) -> int:
    from iron_proxy.config.loading import load_config
    from iron_proxy.jail.client_environment import client_environment

    config, warnings = load_config(flags.text("config"), os.environ) if flags.text("config") else (None, [])
    wiring = read_wiring(config, flags.text("ca"), flags.text("proxy"))
    bundle = os.path.abspath(flags.text("bundle") or os.path.join(os.path.dirname(wiring.ca_path), "ca-bundle.crt"))
    if os.path.realpath(bundle) == os.path.realpath(wiring.ca_path):
        raise UsageError(f"-bundle {bundle} is the CA's certificate itself; name another file")
    java_store = f"{os.path.splitext(bundle)[0]}.p12"
    options = os.environ.get("JAVA_TOOL_OPTIONS", "")
    variables = client_environment(bundle, wiring.ca_path, java_store, wiring.proxy_url, java_options=options)
    try:
        text = exports(flags.text("shell"), variables)
    except ValueError as error:
        raise UsageError(str(error)) from None
    _write_trust(wiring.ca_path, bundle, java_store)
    _say(*(f"warning: {warning}" for warning in warnings), *_hints(config, flags, wiring, bundle))
    sys.stdout.buffer.write(os.fsencode(text))  # a folder's name need not be UTF-8
    sys.stdout.buffer.flush()
    return OK


def _write_trust(ca_path: str, bundle: str, java_store: str) -> None:
    from iron_proxy.jail import trust

    ca = trust.read_ca_certificate(ca_path)
    roots = trust.system_roots()
    trust.write_trust_file(bundle, trust.bundle_with(ca, roots))
    trust.write_trust_file(java_store, trust.java_store_with(ca, roots))
    if roots.certificates:
        sources = " and ".join(roots.sources)
        _say(f"wrote {bundle}: {len(roots.certificates)} certificates of {sources}, and the CA")
    else:
        _say(f"wrote {bundle}: the CA alone, for no roots of the system were found")
    _say(f"wrote {java_store}: the same for Java")


def _hints(config: "Config | None", flags: ParsedFlags, wiring: Wiring, bundle: str) -> list[str]:
    hints = []
    if config is not None and config.proxy.require_client and wiring.proxy_url and not flags.text("proxy"):
        hints.append("the proxy asks for a password: give it as -proxy http://NAME:PASSWORD@HOST:PORT")
    if flags.text("shell") == "docker":
        hints.append(f"the paths must be there in the container too: -v {os.path.dirname(bundle)}:…:ro")
    return hints


def _say(*sentences: str) -> None:
    for sentence in sentences:
        print(os.fsencode(sentence).decode("utf-8", "replace"), file=sys.stderr)
