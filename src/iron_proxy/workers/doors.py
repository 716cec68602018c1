"""
The listeners' sockets of the workers, bound by the supervisor: each has its own on the same port (SO_REUSEPORT).

They are the supervisor's as much as a worker's, so that connections which wait in one outlive the worker, and its
successor takes them. Nothing listens before a worker does.
"""

import socket

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import ProxyConfig
from iron_proxy.errors import StartupError
from iron_proxy.listeners.binding import bind_tcp

# By the listener's name.
Doors = dict[str, socket.socket]


class SharedPorts:
    """The addresses of the listeners. Raises StartupError where another program has one of them."""

    def __init__(self, config: ProxyConfig) -> None:
        wanted: dict[str, ListenAddress | None] = {
            "http": config.http_listen,
            "https": config.https_listen,
            "tunnel": config.tunnel_listen,
        }
        self._places = {name: (each.host, each.port) for name, each in wanted.items() if each is not None}
        for name, (host, port) in self._places.items():
            # A port that may be shared can be bound although somebody has it. So it is bound for us alone first.
            bind_tcp(host, port, f"proxy.{name}_listen").close()

    def open(self) -> Doors:
        """The sockets of one more worker. Raises StartupError."""
        doors: Doors = {}
        try:
            for name, (host, port) in self._places.items():
                doors[name] = bind_tcp(host, port, f"proxy.{name}_listen", shares_port=True)
                # With port 0 the first worker's decides.
                self._places[name] = host, doors[name].getsockname()[1]
        except StartupError:
            close_doors(doors)
            raise
        return doors


def close_doors(doors: Doors) -> None:
    """Close one worker's, as far as the supervisor has them."""
    for sock in doors.values():
        sock.close()
