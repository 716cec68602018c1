"""
`iron-proxy selftest`: run behind a proxy, try to get out, and tell what did. With -serve: the canary outside.

The attacks are in `selftest/`; here are the flags, the printing and the exit status: 0 nothing got out, 1 something
did, 2 it could not be tested, or the flags are wrong. Called by `main.py`.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from threading import Event
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import UsageError, read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.interruption import Interruption
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.waiting import tell_who_waits
from iron_proxy.errors import ConfigError, IronProxyError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:
    from iron_proxy.config.proxy_urls import ProxyAddress
    from iron_proxy.selftest.arrivals import Arrival
    from iron_proxy.selftest.case import Case
    from iron_proxy.selftest.findings import Findings
    from iron_proxy.selftest.place import Endpoint, Place

FLAGS = FlagSet(
    "selftest",
    [
        Flag("against", (), "an endpoint that must not be reached; may be given more than once", "URL"),
        Flag("allowed", "", "the canary behind -against by a name that is allowed: it tells what arrived", "URL"),
        Flag("proxy", "", "the proxy to speak to; without it HTTPS_PROXY, HTTP_PROXY or ALL_PROXY", "URL"),
        Flag("zone", "", "a DNS zone whose server is the canary", "ZONE"),
        Flag("token", (), "a variable that holds a proxy token and no secret; may be given more than once", "VAR"),
        Flag("only", "", "the cases to try, with commas between them", "NAMES"),
        Flag("skip", "", "the cases to leave out", "NAMES"),
        Flag("list", False, "list the cases and stop"),
        Flag("strict", False, "let a case that could not be tested end in status 2"),
        Flag("timeout", 3, "seconds to wait for each answer", "SECONDS"),
        Flag("json", False, "print one JSON object instead of the table"),
        Flag("no-color", False, "print without colours; so does a variable NO_COLOR that is not empty"),
        Flag("serve", (), "be the canary: listen here for TCP and UDP; may be given more than once", "HOST:PORT"),
        Flag("cert", "", "for -serve: the certificate to show, PEM, the leaf first", "FILE"),
        Flag("key", "", "for -serve: its key", "FILE"),
    ],
)
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
# Longer, and a table with all cases would take minutes where packets are dropped.
_MAX_TIMEOUT = 60


def run(arguments: list[str]) -> int:
    """Try to get out, or be the canary; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; endpoints are named as: -against http://HOST")
    if isinstance(flags, int):
        return flags
    with Interruption() as interruption:
        try:
            _check_together(flags)
            if flags.texts("serve"):
                return _serve(flags, interruption)
            cases = _chosen(flags)
            return _list(cases) if flags.boolean("list") else _test(flags, cases, interruption)
        except (UsageError, ConfigError) as error:
            return complain(error, status=USAGE)
        except IronProxyError as error:
            return complain(error, status=FAILURE if flags.texts("serve") else USAGE)
        except KeyboardInterrupt:
            return OK if flags.texts("serve") else complain("interrupted", status=USAGE)


def _check_together(flags: ParsedFlags) -> None:
    tester = flags.given - {"serve", "cert", "key", "json", "no-color"}
    if flags.texts("serve") and tester:
        raise UsageError(f"-serve is the canary outside: -{min(tester)} is for the test inside")
    if not flags.texts("serve") and flags.given & {"cert", "key"}:
        raise UsageError("-cert and -key go with -serve")
    if bool(flags.text("cert")) != bool(flags.text("key")):
        raise UsageError("-cert and -key go together")
    if not 1 <= flags.integer("timeout") <= _MAX_TIMEOUT:
        raise UsageError(f"-timeout: write 1 to {_MAX_TIMEOUT} seconds")


# --- the test ---------------------------------------------------------------------------------------------------------


def _test(flags: ParsedFlags, cases: "tuple[Case, ...]", interruption: Interruption) -> int:
    from iron_proxy.selftest.session import run_selftest

    seconds = flags.integer("timeout")
    tell_who_waits(f"trying {len(cases)} cases; an answer that does not come is waited for {seconds} s")
    findings = run_selftest(_place(flags, os.environ), cases, interruption.checkpoint)
    _show(findings, flags)
    return _status(findings, is_strict=flags.boolean("strict"))


def _chosen(flags: ParsedFlags) -> "tuple[Case, ...]":
    from iron_proxy.selftest.catalogue import CASES, NAMES

    only, skip = (
        [name.strip() for name in flags.text(flag).split(",") if name.strip()] for flag in ("only", "skip")
    )
    unknown = [name for name in (*only, *skip) if name not in NAMES]
    if unknown:
        raise UsageError(f"unknown case {unknown[0]} (iron-proxy selftest -list names them)")
    return tuple(case for case in CASES if (not only or case.name in only) and case.name not in skip)


def _place(flags: ParsedFlags, environment: Mapping[str, str]) -> "Place":
    from iron_proxy.selftest.place import Place

    allowed = flags.text("allowed")
    return Place(
        run=secrets.token_hex(8),
        denied=tuple(_endpoint("against", url) for url in flags.texts("against")),
        allowed=_endpoint("allowed", allowed) if allowed else None,
        proxy=_proxy(flags, environment),
        zone=flags.text("zone").strip("."),
        timeout=float(flags.integer("timeout")),
        environment=dict(environment),
        known_tokens=frozenset(flags.texts("token")),
    )


def _endpoint(flag: str, url: str) -> "Endpoint":
    from iron_proxy.selftest.place import parse_endpoint

    try:
        return parse_endpoint(url)
    except ValueError as error:
        raise UsageError(f"-{flag} {url}: {error}") from None


def _proxy(flags: ParsedFlags, environment: Mapping[str, str]) -> "ProxyAddress | None":
    from iron_proxy.config.proxy_urls import parse_proxy_url

    named = [("-proxy", flags.text("proxy")), *((name, environment.get(name, "")) for name in _PROXY_VARIABLES)]
    where, url = next(((name, value) for name, value in named if value), ("", ""))
    if not url:
        return None
    try:
        proxy = parse_proxy_url(url)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    if proxy.scheme == "https":
        raise UsageError(f"{where}: TLS to the proxy itself is not spoken here; name its http or socks5 listener")
    return proxy


def _status(findings: "Findings", *, is_strict: bool) -> int:
    from iron_proxy.selftest.findings import Verdict

    untested = findings.of(Verdict.NOT_TESTED)
    if findings.of(Verdict.GOT_OUT):
        return FAILURE
    return USAGE if len(untested) == len(findings.findings) or (is_strict and untested) else OK


# --- printing ---------------------------------------------------------------------------------------------------------


def _list(cases: "tuple[Case, ...]") -> int:
    for case in cases:
        print(f"{case.name:24} {case.severity.value:9} {case.tried}")
    return OK


def _show(findings: "Findings", flags: ParsedFlags) -> None:
    from iron_proxy.selftest.report import as_json, report

    if flags.boolean("json"):
        print(json.dumps(as_json(findings), indent=2))
        return
    from rich.console import Console

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an arrow must not end the test where output is ASCII
    is_plain = flags.boolean("no-color") or bool(os.environ.get("NO_COLOR"))
    console = Console(color_system=None if is_plain else "auto", highlight=False)
    for part in report(findings):
        console.print(part)


# --- the canary -------------------------------------------------------------------------------------------------------


def _serve(flags: ParsedFlags, interruption: Interruption) -> int:
    from iron_proxy.selftest.canary_server import CanaryServer

    addresses = [_listen_address(text) for text in flags.texts("serve")]
    with CanaryServer(addresses, *_certificate(flags), _tell_json if flags.boolean("json") else _tell) as server:
        heard = ", ".join(f"{transport} {port}" for transport, port in server.canary.listening)
        print(f"canary listening: {heard}", file=sys.stderr, flush=True)
        while True:
            interruption.checkpoint()
            Event().wait(0.2)  # a signal is looked for five times a second


def _listen_address(text: str) -> tuple[str, int]:
    from iron_proxy.config.addresses import ListenAddress

    try:
        address = ListenAddress.parse(text)
    except ValueError as error:
        raise UsageError(f"-serve {text}: {error}") from None
    return address.host or "0.0.0.0", address.port  # noqa: S104 - ":80" means everywhere, and a canary is to be found


def _certificate(flags: ParsedFlags) -> tuple[bytes, bytes]:
    from iron_proxy.certs.generation import generate_ca

    if not flags.text("cert"):
        made = generate_ca("iron-proxy selftest canary", 24 * 30, "p256")
        return made.certificate_pem, made.key_pem
    return _content(flags.text("cert")), _content(flags.text("key"))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _tell(arrival: "Arrival") -> None:
    from iron_proxy.selftest.report import printable

    names = ", ".join(sorted(arrival.names)) or "no name"
    print(printable(f"{arrival.token} {arrival.transport} port {arrival.port} for {names}"), flush=True)


def _tell_json(arrival: "Arrival") -> None:
    import msgspec

    print(msgspec.json.encode(arrival).decode(), flush=True)
