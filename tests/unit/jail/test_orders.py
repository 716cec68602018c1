import socket

import pytest

from iron_proxy.jail.orders import Orders, receive, send


def orders(**changes: object) -> Orders:
    values: dict[str, object] = {
        "command": ["true"], "environment": {}, "working_directory": "/", "limits": {}, "doors": [], "files": {},
        "hidden": [], "binds": [], "covered": [], "remade": [], "kept": [], "masked": [], "read_only": [], "uid": 1,
        "gid": 2,
    }  # fmt: skip
    return Orders(**{**values, **changes})  # type: ignore[arg-type]


def test_orders_arrive_as_they_were_given() -> None:
    given = orders(
        command=["printf", "%s", "ä\udcff\n"],
        environment={"NAME": "v=\udc80", "EMPTY": ""},
        limits={4: [0, -1]},
        files={"/etc/x": bytes(range(256))},
        doors=[(80, False), (53, True)],
    )

    arrived = Orders.from_bytes(given.to_bytes())

    assert vars(arrived) == {**vars(given), "doors": [[80, False], [53, True]]}


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_messages_keep_apart_and_carry_sockets(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    with left, right, socket.create_server(("127.0.0.1", 0)) as listening:
        send(left, {"say": "ready"}, [listening])
        send(left, {"say": "ended", "status": 3})

        first, sockets = receive(right)
        second, none = receive(right)

        assert (first, second, none) == ({"say": "ready"}, {"say": "ended", "status": 3}, [])
        assert sockets[0].getsockname() == listening.getsockname()
        assert not sockets[0].get_inheritable()
        sockets[0].close()


def test_the_end_is_no_message(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    with right:
        left.close()

        assert receive(right) == (None, [])


def test_last_words_are_heard_though_ours_were_not(pair: tuple[socket.socket, socket.socket]) -> None:
    """A signal is passed on to a program that has just ended."""
    left, right = pair
    with right:
        send(right, {"say": "signal", "number": 2})
        send(left, {"say": "ended", "status": 130})
        left.close()

        assert receive(right) == ({"say": "ended", "status": 130}, [])
        assert receive(right) == (None, [])
