"""
What the demo does: the five requests of the docker-compose example, a WebSocket and a stream of events.

Only facts: which request goes by which route, and what has to come of it. `client.py` sends them, `checks.py` compares.
The secrets are the example's own and worth nothing.
"""

from dataclasses import dataclass
from enum import Enum

ALLOWED_HOST = "httpbin.org"
BLOCKED_HOST = "example.com"
HOSTS = (ALLOWED_HOST, BLOCKED_HOST)

# The origin sends these back at ECHO_PATH.
CREDENTIAL_HEADERS = ("Authorization", "X-Internal")
ECHO_PATH = "/headers"

MESSAGE = "hello"
EVENTS = ("one", "two", "three")


class Route(Enum):
    """How a request comes to the proxy; the value is what the report calls it."""

    DNS = "DNS"
    CONNECT = "CONNECT"
    SOCKS5 = "SOCKS5"


class Kind(Enum):
    """What is spoken once the request has been answered."""

    RESPONSE = "response"
    WEBSOCKET = "websocket"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class DemoSecret:
    """A secret of the proxy's, and the proxy token that the client has in its place."""

    name: str
    token: str
    value: str


OPENAI_API_KEY = DemoSecret("OPENAI_API_KEY", "proxy-openai-abc123", "sk-real-openai-key-do-not-share")
INTERNAL_TOKEN = DemoSecret("INTERNAL_TOKEN", "proxy-internal-tok", "real-internal-secret-value")
SECRETS = (OPENAI_API_KEY, INTERNAL_TOKEN)


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what is expected of it. `location` is where the audit record says a secret was swapped in."""

    number: int
    title: str
    route: Route
    target: str
    host: str = ALLOWED_HOST
    header: tuple[str, str] | None = None
    kind: Kind = Kind.RESPONSE
    status: int = 200
    secret: DemoSecret | None = None
    location: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def is_blocked(self) -> bool:
        """The host is not on the allowlist: nothing may reach it."""
        return self.host == BLOCKED_HOST

    @property
    def target_at_origin(self) -> str:
        """The target as the origin must see it."""
        return self._swapped(self.target)

    @property
    def header_at_origin(self) -> tuple[str, str] | None:
        """The header as the origin must see it."""
        return None if self.header is None else (self.header[0], self._swapped(self.header[1]))

    @property
    def echo(self) -> dict[str, str] | None:
        """What the client must be told of its credentials by an origin that sends them back: its own tokens."""
        return dict([self.header]) if self.path == ECHO_PATH and self.header is not None else None

    def _swapped(self, text: str) -> str:
        return text if self.secret is None else text.replace(self.secret.token, self.secret.value)


STEPS = (
    Step(1, "allowed request", Route.DNS, "/get"),
    Step(2, "blocked request", Route.DNS, "/", host=BLOCKED_HOST, status=403),
    Step(
        3,
        "secret in Authorization",
        Route.CONNECT,
        ECHO_PATH,
        header=("Authorization", f"Bearer {OPENAI_API_KEY.token}"),
        secret=OPENAI_API_KEY,
        location="header:Authorization",
    ),
    Step(
        4,
        "secret in a custom header",
        Route.SOCKS5,
        ECHO_PATH,
        header=("X-Internal", INTERNAL_TOKEN.token),
        secret=INTERNAL_TOKEN,
        location="header:X-Internal",
    ),
    Step(
        5,
        "secret in the query",
        Route.DNS,
        f"/get?token={OPENAI_API_KEY.token}&q=hello",
        secret=OPENAI_API_KEY,
        location="query:token",
    ),
    Step(6, "WebSocket", Route.CONNECT, "/ws", kind=Kind.WEBSOCKET, status=101),
    Step(7, "server-sent events", Route.SOCKS5, "/sse", kind=Kind.EVENTS),
)
