"""Connections as they are shown: the oldest first, with what the kernel has counted."""

import socket
from typing import Any, cast

import pytest

from iron_proxy.management import live_connections as module
from iron_proxy.management.live_connections import live_connections
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sight import RequestSight, Sight


class Seen:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def sight(self) -> Sight:
        return self._sight


class Fake:
    def __init__(self, *sights: Sight) -> None:
        self.connections = {Seen(each) for each in sights}


def shown(*sights: Sight) -> dict[str, Any]:
    return live_connections(cast(Services, Fake(*sights)))


def test_the_oldest_comes_first_with_its_requests() -> None:
    request = RequestSight("id-1", "GET", "ok.test", 0.12345)

    told = shown(Sight("opening", "192.0.2.1:1", 1.0), Sight("http/2", "192.0.2.2:2", 9.0, requests=(request,)))

    assert told["total"] == 2
    assert [each["remote_addr"] for each in told["connections"]] == ["192.0.2.2:2", "192.0.2.1:1"]
    assert told["connections"][0]["requests"] == [
        {"request_id": "id-1", "method": "GET", "host": "ok.test", "age_seconds": 0.123}
    ]


def test_there_are_not_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHOWN", 3)

    told = shown(*(Sight("opening", str(number), number) for number in range(5)))

    assert (told["total"], len(told["connections"])) == (5, 3)


def test_the_kernel_counts_bytes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, _ = server.accept()
        with ours:
            client.sendall(b"x" * 1000)
            ours.recv(1000, socket.MSG_WAITALL)
            ours.sendall(b"y" * 20)
            client.recv(20, socket.MSG_WAITALL)
            [told] = shown(Sight("http/1.1", "p", 1.0, ours))["connections"]

    # The last acknowledgement of the peer's kernel may be on its way.
    assert told["bytes_from_client"] == 1000
    assert told["bytes_to_client"] in (0, 1, 20, 21)


@pytest.mark.parametrize("sock", [None, socket.socket()])
def test_what_has_no_count_has_none(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()
    [told] = shown(Sight("opening", "p", 1.0, sock))["connections"]

    assert (told["bytes_from_client"], told["bytes_to_client"]) == (None, None)
