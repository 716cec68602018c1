"""The flags that `nft` and `tproxy up` share, and what they come to. Called by `cli/nft.py` and `cli/tproxy.py`."""

import pwd
import shlex
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar, cast

from iron_proxy.go_compat.flags import Flag, ParsedFlags
from iron_proxy.nftables.settings import DEFAULT_CAPTURED, Mode, Settings, check_settings

SHARED_FLAGS = (
    Flag("proxy-ip", "", "the proxy's IPv4 address, as workloads reach it", "ADDRESS"),
    Flag("proxy-ip6", "", "its IPv6 address; without one, IPv6 leads nowhere", "ADDRESS"),
    Flag("uid", "", "users that may go out, by number or name, with commas: the proxy's own first of all", "UID"),
    Flag("interface", "", "where this machine is a router: the interfaces of the workloads, with commas", "NAME"),
    Flag("http-port", 80, "the port of proxy.http_listen; 0 is off", "PORT"),
    Flag("https-port", 443, "the port of proxy.https_listen; 0 is off", "PORT"),
    Flag("dns-port", 53, "the port of dns.listen; 0 is off", "PORT"),
    Flag("tunnel-port", 8080, "the port of proxy.tunnel_listen; 0 is off", "PORT"),
    Flag("ports", "80,443", "the TCP ports that are brought to the proxy, with commas, or `all`", "PORTS"),
)

_T = TypeVar("_T")


def settings_from(flags: ParsedFlags, mode: str) -> Settings:
    """Raises ValueError with a sentence for the user."""
    if mode not in ("enforce", "redirect", "tproxy"):
        raise ValueError(f'-mode is enforce, redirect or tproxy; got "{mode}"')
    chosen = cast(Mode, mode)
    if chosen == "enforce" and "ports" in flags.given:
        raise ValueError("-ports is for -mode redirect and tproxy: enforce brings nothing to the proxy")
    settings = Settings(
        mode=chosen,
        proxy_ip=_address(flags.text("proxy-ip"), IPv4Address, "-proxy-ip", "an IPv4"),
        proxy_ip6=_address(flags.text("proxy-ip6"), IPv6Address, "-proxy-ip6", "an IPv6"),
        uids=tuple(dict.fromkeys(map(_uid, _listed(flags.text("uid"))))),
        interfaces=tuple(dict.fromkeys(_listed(flags.text("interface")))),
        http_port=flags.integer("http-port"),
        https_port=flags.integer("https-port"),
        dns_port=flags.integer("dns-port"),
        tunnel_port=flags.integer("tunnel-port"),
        captured=_captured(flags.text("ports")),
    )
    check_settings(settings)
    return settings


def command_line(words: Sequence[str]) -> str:
    """The command as it could be typed again, on one line."""
    return "iron-proxy " + " ".join(map(shlex.quote, words)).replace("\n", " ")


def _address(text: str, kind: Callable[[str], _T], flag: str, family: str) -> _T | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f'{flag}: "{text}" is not {family} address') from None


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _uid(text: str) -> int:
    """A number, or the name of a user of this machine."""
    if text.isascii() and text.isdigit():
        number = int(text)
        if number >= 2**32 - 1:                  # (uid_t) -1 means "no user"
            raise ValueError(f"-uid: {text} is too large for a user")
        return number
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise ValueError(f'-uid: this machine has no user "{text}"; create it, or give its number') from None


def _captured(text: str) -> tuple[int, ...] | None:
    if text.strip() == "all":
        return None
    if not text.strip():
        return DEFAULT_CAPTURED
    ports = _listed(text)
    if not all(port.isascii() and port.isdigit() and 0 < len(port) <= 5 and int(port) for port in ports):
        raise ValueError(f'-ports: "{text}" is not a list of ports such as 80,443,8443, nor the word all')
    return tuple(map(int, ports))
