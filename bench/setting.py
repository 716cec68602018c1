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

# The origin's answers.
SMALL = "/small"
MIDDLE = "/16k"
LARGE = "/100mb"
SMALL_BODY = b'{"id": 1234567890, "object": "answer", "text": "forty-two..."}'
MIDDLE_BYTES = 16 * 1024
LARGE_BYTES = 100 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class Ports:
    """Where somebody listens on 127.0.0.1."""

    http: int
    https: int

    def of(self, scheme: str) -> int:
        """The port for `http` or `https`."""
        return self.https if scheme == "https" else self.http


@dataclass(frozen=True, slots=True)
class Setting:
    """Handed to every arm when it is started."""

    directory: Path
    certificates: CertificateFiles
    origin: Ports

    def authority(self, scheme: str, host: str = HOST) -> str:
        """The Host header: it names the origin, whoever is asked."""
        return f"{host}:{self.origin.of(scheme)}"
