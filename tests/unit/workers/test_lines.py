"""Whole lines, whatever pieces they come in."""

import asyncio
import socket

import pytest

from iron_proxy.workers import lines as lines_module
from iron_proxy.workers.lines import pass_lines

LONG = 20.0


async def passed(*pieces: bytes) -> list[bytes]:
    """What is handed on of these pieces, each handed on before the next one comes."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    taken: list[bytes] = []

    async def take(lines: bytes) -> None:
        taken.append(lines)

    async with asyncio.timeout(LONG):
        task = asyncio.ensure_future(pass_lines(ours, take))
        for piece in pieces:
            await asyncio.get_running_loop().sock_sendall(_nonblocking(theirs), piece)
            await asyncio.sleep(0)
        theirs.close()
        await task
    assert ours.fileno() == -1
    return taken


def _nonblocking(sock: socket.socket) -> socket.socket:
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("pieces", [(b"a\nb\n",), (b"a", b"\nb", b"\n"), (b"a\n", b"b\n"), (b"a\nb\nc",)])
async def test_lines_come_whole_and_the_piece_of_one_that_was_cut_off_does_not(pieces: tuple[bytes, ...]) -> None:
    taken = await passed(*pieces)

    assert b"".join(taken) == b"a\nb\n"
    assert all(each.endswith(b"\n") for each in taken)


async def test_long_lines_pass() -> None:
    line = b"x" * 1_500_000 + b"\n"

    assert b"".join(await passed(line, line)) == line * 2


async def test_a_line_without_end_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE", 10)

    assert await passed(b"ok\n", b"x" * 11) == [b"ok\n"]


async def test_a_reset_is_an_end() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.send(b"never read")
    theirs.close()                               # with something unread: the other side gets a reset

    await pass_lines(ours, lambda lines: asyncio.sleep(0))

    assert ours.fileno() == -1
