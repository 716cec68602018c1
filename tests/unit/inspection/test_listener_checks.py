"""Clients come to where the proxy listens."""

from pathlib import Path

import pytest
from tests.unit.inspection.policies import allowlist, found

LED = """\
dns: {{proxy_ip: 10.0.0.1}}
metrics: {{listen: "off"}}
proxy: {{{proxy}}}
tls: {{ca_cert: c, ca_key: k}}
""" + allowlist(domains="[a.test]")


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("", []),
        ("http_listen: '10.0.0.1:80', https_listen: '[::]:443'", []),
        ("http_listen: ':0', https_listen: ':0'", []),
        ("http_listen: '127.0.0.1:80'", [("IP402", "proxy.http_listen")]),
        ("https_listen: 'some-name:443'", [("IP402", "proxy.https_listen")]),
        ("https_listen: ':8443'", [("IP403", "proxy.https_listen")]),
        ("https_listen: ':8443', transparent: redirect", []),
        ("https_listen: off, tunnel_listen: ':8080'", [("IP403", "proxy.https_listen")]),
        ("http_listen: off, https_listen: off", [("IP401", "proxy")]),
    ],
)
def test_listeners_that_dns_leads_to(proxy: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    assert [(each, key) for each, _, key in found(LED.format(proxy=proxy), tmp_path)] == expected


def test_without_dns_any_listener_will_do(tmp_path: Path) -> None:
    text = LED.format(proxy="http_listen: '127.0.0.1:8080', https_listen: off").replace(
        "{proxy_ip: 10.0.0.1}", "{enabled: false}"
    )

    assert found(text, tmp_path) == []
