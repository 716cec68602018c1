"""
A proxy of a few lines around a jail, as a program: it serves the doors, and reports what came through which.

Run by `jailed.py`, as root or as somebody else, so it imports nothing but the jail and the standard library.
"""

import asyncio
import json
import os
import resource
import socket
import sys
import time
from typing import Any

from iron_proxy.errors import JailUnavailable
from iron_proxy.jail.launch import Jail
from iron_proxy.jail.plan import Door, JailPlan
from iron_proxy.jail.terminal import TerminalLink
from iron_proxy.runtime.hardening import harden_process

UNAVAILABLE = 99
ANSWER = "198.18.0.1"  # of every name


class DoorProxy:
    """Answers on every door with where the client thought it was talking to."""

    def __init__(self, is_answering: bool) -> None:
        self._is_answering = is_answering
        self._kept: list[socket.socket] = []
        self.accepted: list[tuple[str, str, int]] = []
        self.count = 0

    def serve(self, name: str, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(door, self._answer_datagram if door.type == socket.SOCK_DGRAM else self._accept, name, door)

    def _accept(self, name: str, door: socket.socket) -> None:
        try:
            connection, _ = door.accept()
        except OSError:
            return
        self.count += 1
        address, port = connection.getsockname()[:2]
        if len(self.accepted) < 100:
            self.accepted.append((name, address, port))
        if not self._is_answering:
            self._kept.append(connection)
            return
        try:
            connection.getsockopt(socket.IPPROTO_IP, 80, 16)  # SO_ORIGINAL_DST
            original = "forged"
        except OSError:
            original = "none"
        body = json.dumps({"door": name, "to": address, "original": original})
        connection.setblocking(True)
        connection.settimeout(2)
        try:
            connection.recv(65536)
            connection.sendall(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
        except OSError:
            pass
        connection.close()

    def _answer_datagram(self, name: str, door: socket.socket) -> None:
        query, ancillary, _, sender = door.recvmsg(2000, 200)
        address = socket.inet_ntop(socket.AF_INET6, ancillary[0][2][:16])
        self.count += 1
        self.accepted.append((name, address, door.getsockname()[1]))
        end = 12
        while query[end]:
            end += query[end] + 1
        is_ipv4 = query[end + 1 : end + 3] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + socket.inet_aton(ANSWER) if is_ipv4 else b""
        head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_ipv4 else b"\0\0") + b"\0\0\0\0"
        door.sendmsg([head + query[12 : end + 5] + answer], ancillary, 0, sender)


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Open, serve, start, wait, close."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    harden_process()
    begin = time.monotonic()
    jail = await Jail.open(plan_of(spec))
    opened = time.monotonic()
    proxy = DoorProxy(spec["answers"])
    for name, door in jail.doors.items():
        proxy.serve(name, door)
    async with jail:
        with TerminalLink(jail):
            await jail.start()
            status = await jail.wait()
    return {
        "status": status,
        "failure": jail.failure,
        "not_shown": jail.not_shown,
        "accepted": proxy.accepted,
        "count": proxy.count,
        "refused": [[*refusal, count] for refusal, count in jail.refused.counts.items()],
        "refused_total": jail.refused.total,
        "open_seconds": opened - begin,
    }


def plan_of(spec: dict[str, Any]) -> JailPlan:
    doors = tuple(Door(name, port, is_udp) for name, port, is_udp in spec["doors"])
    files = {path: content.encode() for path, content in spec["files"].items()}
    return JailPlan(
        tuple(spec["command"]), spec["environment"], doors, files, tuple(spec["hidden"]), tuple(spec["binds"])
    )


def main() -> None:
    spec = json.loads(sys.argv[1])
    os.chdir(spec["directory"])
    try:
        report = asyncio.run(run(spec))
    except JailUnavailable as error:
        report = {"status": UNAVAILABLE, "failure": str(error)}
    with open(int(sys.argv[2]), "w", encoding="utf-8") as file:
        json.dump(report, file)
    sys.exit(report["status"])


if __name__ == "__main__":
    main()
