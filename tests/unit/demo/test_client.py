"""The client on its own: against the origin behind nothing, where its DNS answers and its TLS end there directly."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from iron_proxy.demo.client import Client
from iron_proxy.demo.names import DemoNames
from iron_proxy.demo.origin import Origin
from iron_proxy.demo.routes import Ports
from iron_proxy.demo.scenario import EVENTS, HOSTS, STEPS, Route
from iron_proxy.demo.scene import Scene

ALLOWED, _, HEADER, _, _, WEBSOCKET, EVENT_STREAM = (replace(step, route=Route.DNS) for step in STEPS)


class Parts:
    def __init__(self, scene: Scene, names: DemoNames, origin: Origin) -> None:
        self.scene, self.origin = scene, origin
        self.ports = Ports(dns=int(names.address.partition(":")[2]), https=origin.port, tunnel=1)

    def client(self, ports: Ports | None = None, *, trusts_origin: bool = True) -> Client:
        ca = self.scene.origin_ca if trusts_origin else self.scene.proxy_ca
        return Client(ca, ports or self.ports, self.origin.port, self.origin.release_event)


@pytest.fixture
def parts() -> Iterator[Parts]:
    with Scene() as scene, DemoNames(HOSTS) as names, Origin(scene.origin_contexts(HOSTS)) as origin:
        yield Parts(scene, names, origin)


def test_a_response_is_noted(parts: Parts) -> None:
    view = parts.client().send(ALLOWED)

    assert (view.error, view.status, view.reason, view.body) == ("", 200, "OK", '{"ok": true}')
    assert view.dns_answer == ("127.0.0.1",)
    assert view.address.startswith("127.0.0.1:")
    assert "Content-Type: application/json" in view.received
    assert '{"ok": true}' in view.received


def test_the_header_of_the_step_is_sent(parts: Parts) -> None:
    parts.client().send(HEADER)

    (request,) = parts.origin.take_requests()
    assert request.header("Authorization") == "Bearer proxy-openai-abc123"
    assert request.header("Host") == f"httpbin.org:{parts.origin.port}"


def test_a_websocket_message_comes_back(parts: Parts) -> None:
    view = parts.client().send(WEBSOCKET)

    assert (view.error, view.status, view.messages) == ("", 101, ("hello",))


def test_each_event_is_acknowledged(parts: Parts) -> None:
    view = parts.client().send(EVENT_STREAM)

    assert (view.error, view.status, view.messages) == ("", 200, EVENTS)


def test_a_certificate_of_another_authority_is_an_error(parts: Parts) -> None:
    view = parts.client(trusts_origin=False).send(ALLOWED)

    assert view.error.startswith("TLS failed: ")
    assert view.status is None


def test_a_name_without_an_address_is_an_error(parts: Parts) -> None:
    view = parts.client().send(replace(ALLOWED, host="elsewhere.test"))

    assert view.error == "the proxy's DNS server has no address for the name"


@pytest.mark.parametrize("route", [Route.CONNECT, Route.SOCKS5])
def test_a_tunnel_port_where_nobody_listens_is_an_error(parts: Parts, route: Route) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    view = parts.client(parts.ports._replace(tunnel=port)).send(replace(ALLOWED, route=route))

    assert view.error == "ConnectionRefusedError"


def test_silence_is_an_error(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.demo.client.STEP_TIMEOUT", 0.05)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        view = parts.client(parts.ports._replace(https=silent.getsockname()[1])).send(ALLOWED)

    assert view.error == "nothing came in time"
