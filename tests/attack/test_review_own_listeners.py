"""Our own listeners are never dialled, in whatever spelling their address comes."""

import socket

import pytest

from iron_proxy.runtime.assemble import OwnListeners


def listeners(host: str) -> tuple[OwnListeners, int]:
    own = OwnListeners()
    with socket.create_server((host, 0)) as sock:
        own.add([sock])
        return own, sock.getsockname()[1]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "0.0.0.0", "::", "::ffff:0.0.0.0"],
)
def test_a_listener_is_found_by_every_spelling_of_its_address(address: str) -> None:
    own, port = listeners("127.0.0.1")

    assert own.includes(address, port)
    assert not own.includes(address, port - 1)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "0.0.0.0"])
def test_a_listener_on_every_address_is_found_by_each_of_them(address: str) -> None:
    own, port = listeners("0.0.0.0")

    assert own.includes(address, port)


def test_another_address_is_not_ours() -> None:
    own, port = listeners("127.0.0.1")

    assert not own.includes("127.0.0.2", port)
    assert not own.includes("192.0.2.1", port)
