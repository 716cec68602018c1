"""
What all arms have in common: the names, the credentials, the origin's ports, and where files may be put.

`HOST` is `localhost` because a load generator takes the server name of its handshake from the URL, and it must be the
same name as in the Host header; this one needs no entry in any resolver.
"""

from dataclasses import dataclass
from pathlib import Path

from bench.certificates import CertificateFiles

HOST = "localhost"
# The same origin for requests that no secret is for: what has been given one is scrubbed from then on.
HOST_WITHOUT_SECRETS = "127.0.0.1"
# What the client sends, and what has to reach the origin. Neither opens anything.
PROXY_TOKEN = "proxy-token-123"
REAL_SECRET = "sk-real-secret-0123456789"

# Names that nobody resolves: for rules that never fit, and for certificates of hosts that nobody asks.
UNKNOWN_HOSTS = "bench.test"

# The origin's answers.
SMALL = "/small"
MIDDLE = "/16k"
LARGE = "/100mb"
UPLOAD = "/upload"
# What a gRPC client would call; the answer has a trailer, as gRPC's have.
UNARY = "/bench.Answers/Get"
SMALL_BODY = b'{"id": 1234567890, "object": "answer", "text": "forty-two..."}'
MIDDLE_BYTES = 16 * 1024
LARGE_BYTES = 100 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class Ports:
    """Where somebody listens on 127.0.0.1. HTTP/2 has a port of its own where it cannot share the one of HTTPS."""

    http: int
    https: int
    h2: int | None = None

    def of(self, scheme: str) -> int:
        """The port for `http`, `https` or `h2`."""
        if scheme == "h2" and self.h2 is not None:
            return self.h2
        return self.http if scheme == "http" else self.https


@dataclass(frozen=True, slots=True)
class Setting:
    """Handed to every arm when it is started."""

    directory: Path
    certificates: CertificateFiles
    origin: Ports

    def authority(self, scheme: str, host: str = HOST) -> str:
        """The Host header: it names the origin, whoever is asked."""
        return f"{host}:{self.origin.of(scheme)}"
