"""The doctor's proxy, and the evidence in its records."""

import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.doctor.own_proxy import Evidence, OwnProxy, configuration_text, evidence_in

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(seconds=1)


def request(method: str, host: str, path: str, status: int = 200) -> dict[str, Any]:
    return {"msg": "request", "method": method, "host": host, "path": path, "status_code": status}


def event(kind: str, time: datetime) -> dict[str, Any]:
    return {"msg": "event", "event": kind, "time": time.isoformat().replace("+00:00", "Z")}


@pytest.mark.parametrize(
    ("record", "evidence"),
    [
        (request("CONNECT", "curl-proxied.iron-proxy-doctor.invalid:443", ""), Evidence(True, False, False)),
        (request("CONNECT", "192.0.2.1:443", "") | {"time": "2026-01-01T00:00:00Z"}, Evidence(True, False, False)),
        (request("CONNECT", "192.0.2.1:443", "") | {"time": "2026-01-01T00:00:02Z"}, Evidence(False, False, False)),
        (request("CONNECT", "other.iron-proxy-doctor.invalid:443", ""), Evidence(False, False, False)),
        (request("GET", "localhost", "/curl-proxied/hello"), Evidence(False, False, True)),
        (request("GET", "localhost", "/curl-proxied/hello", 404), Evidence(False, False, False)),
        (request("GET", "localhost", "/curl-proxied-too/hello"), Evidence(False, False, False)),
        (event("handshake", START), Evidence(False, True, False)),
        (event("tunnel", END), Evidence(False, True, False)),
        (event("handshake", END + timedelta(seconds=1)), Evidence(False, False, False)),
        (event("dns", START), Evidence(False, False, False)),
        ({}, Evidence(False, False, False)),
    ],
)
def test_evidence_is_of_one_run(record: dict[str, Any], evidence: Evidence) -> None:
    assert evidence_in([record], "curl-proxied", START, END) == evidence


def test_paths_arrive_in_the_configuration_whatever_they_hold() -> None:
    text = configuration_text(CAPaths('/a "b"\\c: #/ca.crt', "/\u00e9/ca.key"))

    assert YAML(typ="safe").load(text)["tls"] == {"ca_cert": '/a "b"\\c: #/ca.crt', "ca_key": "/\u00e9/ca.key"}


@pytest.mark.slow
def test_it_answers_by_the_listener_and_by_the_tunnel_with_a_ca_of_this_time_only(tmp_path: Path) -> None:
    times: list[tuple[datetime, datetime]] = []
    with OwnProxy(tmp_path) as proxy:
        context = ssl.create_default_context(cafile=proxy.ca.certificate)
        for url, proxies in (
            (proxy.routed_url("a", "localhost"), {}),
            (proxy.routed_url("b", "127.0.0.1"), {}),
            (proxy.proxied_url("c"), {"https": proxy.proxy_url}),
            (proxy.proxied_url("d", without_name=True), {"https": proxy.proxy_url}),
        ):
            started = datetime.now(UTC)
            handlers = (urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context))
            with urllib.request.build_opener(*handlers).open(f"{url}/hello", timeout=10) as answer:
                assert answer.read() == b"iron-proxy doctor\n"
            times.append((started, datetime.now(UTC)))

    assert [proxy.evidence_of(run, *time) for run, time in zip("abcd", times, strict=True)] == [
        Evidence(False, False, True),
        Evidence(False, False, True),
        Evidence(True, False, True),
        Evidence(True, False, True),
    ]


@pytest.mark.slow
def test_it_takes_a_ca_that_there_is(tmp_path: Path) -> None:
    paths = CAPaths(str(tmp_path / "mine.crt"), str(tmp_path / "mine.key"))
    write_ca(paths, generate_ca("mine", 1, "p256"))

    with OwnProxy(tmp_path, paths) as proxy:
        assert proxy.ca == paths
        assert proxy.proxy_url.startswith("http://127.0.0.1:")
