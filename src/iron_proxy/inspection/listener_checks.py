"""Checks of listeners: whether clients come to where the proxy listens. Called by `examination.py`."""

import ipaddress

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config
from iron_proxy.inspection.findings import Findings

_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound


def check_listeners(config: Config, findings: Findings) -> None:
    """IP401 to IP403."""
    proxy = config.proxy
    if proxy.http_listen is None and proxy.https_listen is None and proxy.tunnel_listen is None:
        findings.add("IP401", None, "proxy", "every listener is off")
        return
    if not config.dns.enabled:
        return                                     # clients are told the address in some other way
    for key, address, port in (("http_listen", proxy.http_listen, 80), ("https_listen", proxy.https_listen, 443)):
        _check_led(key, address, port, config, findings)


def _check_led(key: str, address: ListenAddress | None, port: int, config: Config, findings: Findings) -> None:
    """A listener that DNS sends clients to."""
    if address is None:
        findings.add("IP403", None, f"proxy.{key}", f"is off, and DNS leads clients to port {port}")
        return
    answers = [text for text in (config.dns.proxy_ip, config.dns.proxy_ip6) if text is not None]
    if address.host not in _ANY and not any(_is_same(address.host, text) for text in answers):
        findings.add("IP402", None, f"proxy.{key}", f"{address} is not at dns.proxy_ip ({', '.join(answers)})")
    if address.port not in (0, port) and config.proxy.transparent == "off":
        findings.add("IP403", None, f"proxy.{key}", f"{address} is not port {port}, to which clients connect")


def _is_same(host: str, answer: str) -> bool:
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(answer)
    except ValueError:
        return False                               # a name: what it stands for is known to the system alone
