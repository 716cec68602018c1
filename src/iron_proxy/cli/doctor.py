"""
`iron-proxy doctor`: which of the clients on this machine work through the proxy, and what the others lack.

What is done is in `doctor/examination.py` and `doctor/checks.py`; here are the flags, the printing and the exit status:
0 all works, 1 something does not, 2 wrong flags or a configuration that cannot be used. Called by `main.py`.
"""

import json
import os
import shlex
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import UsageError, read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.interruption import Interruption
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.waiting import tell_who_waits
from iron_proxy.errors import ConfigError, IronProxyError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:
    from iron_proxy.config.schema import Config
    from iron_proxy.doctor.examination import Order
    from iron_proxy.doctor.report import Findings

FLAGS = FlagSet(
    "doctor",
    [
        Flag("config", "", "the YAML file: its CA is the one to be trusted, and its listeners are asked", "FILE"),
        Flag("proxy", "", "ask a proxy that runs already; needs -url", "URL"),
        Flag("url", "", "for -proxy: a page that its rules allow, which every client fetches", "URL"),
        Flag("ca", "", "for -proxy: the CA's certificate, to try what iron-proxy env would set", "FILE"),
        Flag("only", "", "the clients to start, with commas between them", "NAMES"),
        Flag("json", False, "print one JSON object instead of the table"),
        Flag("no-color", False, "print without colours; so does a variable NO_COLOR that is not empty"),
    ],
)


def run(arguments: list[str]) -> int:
    """Examine the clients; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; clients are named as: -only curl,git")
    if isinstance(flags, int):
        return flags
    with Interruption() as interruption:
        try:
            findings = _find(flags, interruption)
        except ConfigError as error:
            return complain(*error.problems, status=USAGE)
        except UsageError as error:
            return complain(error, status=USAGE)
        except IronProxyError as error:
            return complain(error, status=FAILURE)
        except KeyboardInterrupt:
            return complain("interrupted; everything has been stopped and removed", status=FAILURE)
    _show(findings, flags)
    return OK if findings.ok else FAILURE


def _find(flags: ParsedFlags, interruption: Interruption) -> "Findings":
    only = _named_clients(flags.text("only"))
    _check_flags(flags)
    # Heavy from here on: cryptography, dnspython, rich.
    from iron_proxy.config.loading import load_config
    from iron_proxy.doctor.checks import check_configuration
    from iron_proxy.doctor.child import TIME_LIMIT
    from iron_proxy.doctor.examination import examine
    from iron_proxy.doctor.report import Findings

    config = load_config(flags.text("config"), os.environ)[0] if flags.text("config") else None
    checks = check_configuration(config) if config is not None else []
    # With a CA that no proxy could use, there is nothing to start; the check says what is wrong with it.
    usable = all(check.passed or check.name != "CA" for check in checks) and not _needs_no_ca(config)
    if usable:
        tell_who_waits(f"starting each client that is here, which takes seconds and at most {TIME_LIMIT:.0f} each time")
    clients = examine(_order(flags, config, only), interruption.checkpoint) if usable else []
    return Findings(checks, clients, bool(only))


def _needs_no_ca(config: "Config | None") -> bool:
    return config is not None and not (config.tls.ca_cert and config.tls.ca_key)


def _named_clients(text: str) -> tuple[str, ...]:
    from iron_proxy.doctor.clients import NAMES

    named = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in named if name not in NAMES]
    if unknown:
        raise UsageError(f"-only: unknown client {unknown[0]} (clients: {', '.join(NAMES)})")
    return named


def _check_flags(flags: ParsedFlags) -> None:
    from iron_proxy.config.proxy_urls import parse_proxy_url

    if not flags.text("proxy"):
        if flags.text("url") or flags.text("ca"):
            raise UsageError("-url and -ca go with -proxy, a proxy that runs already")
        return
    url = flags.text("url")
    if not url.startswith("https://") or any(not character.isprintable() or character in " '\"\\" for character in url):
        raise UsageError("-proxy needs -url with an https:// page that its rules allow: the doctor's own are not")
    try:
        parse_proxy_url(flags.text("proxy"))
    except ValueError as error:
        raise UsageError(f"-proxy: {error}") from None


def _order(flags: ParsedFlags, config: "Config | None", only: tuple[str, ...]) -> "Order":
    from iron_proxy.certs.generation import CAPaths
    from iron_proxy.doctor.examination import Order, RunningProxy
    from iron_proxy.doctor.verdicts import Way

    command = _wiring_command(flags)
    if flags.text("proxy"):
        proxy = flags.text("proxy")
        url = proxy if "://" in proxy else f"http://{proxy}"
        ca = flags.text("ca") or (config.tls.ca_cert if config is not None else None)
        return Order(os.environ, only, running_proxy=RunningProxy(url, flags.text("url"), ca), wiring_command=command)
    if config is None or config.tls.ca_cert is None or config.tls.ca_key is None:
        return Order(os.environ, only)
    ways = {Way.AS_IT_IS}
    ways |= {Way.PROXIED} if config.proxy.tunnel_listen is not None else set()
    ways |= {Way.ROUTED} if config.proxy.https_listen is not None else set()
    ca_paths = CAPaths(os.path.abspath(config.tls.ca_cert), os.path.abspath(config.tls.ca_key))
    return Order(os.environ, only, ca_paths, frozenset(ways), command)


def _wiring_command(flags: ParsedFlags) -> str:
    named = ("-config", flags.text("config")) if flags.text("config") else ("-ca", flags.text("ca") or "ca.crt")
    arguments = [*named, *(["-proxy", flags.text("proxy")] if flags.text("proxy") else [])]
    return f'eval "$(iron-proxy env {shlex.join(arguments)})"'


def _show(findings: "Findings", flags: ParsedFlags) -> None:
    from iron_proxy.doctor.report import as_json, report

    if flags.boolean("json"):
        print(json.dumps(as_json(findings), indent=2))
        return
    from rich.console import Console
    from rich.text import Text

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a client complains need not fit the terminal
    is_plain = flags.boolean("no-color") or bool(os.environ.get("NO_COLOR"))
    console = Console(color_system=None if is_plain else "auto", highlight=False)
    for part in report(findings):
        console.print(part, soft_wrap=isinstance(part, Text))
