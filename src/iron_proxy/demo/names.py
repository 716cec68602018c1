"""
The demo's internet directory: a DNS server that knows the demo's names and sends all of them to loopback.

It stands for the public DNS, so only the proxy asks it. Which names were looked up is evidence: the blocked one must
not be among them.
"""

import socket
import threading
from collections.abc import Iterable
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

ADDRESS = "127.0.0.1"
_TTL = 60
_MAX_QUERY_BYTES = 4096


class DemoNames:
    """A UDP server in a thread of its own. A context manager; `address` is `ip:port`."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(hosts)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve, name="demo names", daemon=True)
        self._is_stopping = False
        self._asked: list[str] = []
        self.address = ""

    @property
    def looked_up(self) -> tuple[str, ...]:
        """The names that were asked for, each once, in order."""
        return tuple(dict.fromkeys(self._asked))

    def __enter__(self) -> Self:
        self._socket.bind((ADDRESS, 0))
        self.address = f"{ADDRESS}:{self._socket.getsockname()[1]}"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopping = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())  # closing a socket does not wake who reads from it
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            packet, client = self._socket.recvfrom(_MAX_QUERY_BYTES)
            if self._is_stopping:
                return
            reply = self._reply(packet)
            if reply is not None:
                self._socket.sendto(reply, client)

    def _reply(self, packet: bytes) -> bytes | None:
        try:
            query = dns.message.from_wire(packet)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        host = question.name.to_text(omit_final_dot=True).lower()
        self._asked.append(host)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if host not in self._hosts:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(question.name, _TTL, "IN", "A", ADDRESS))
        return response.to_wire()
