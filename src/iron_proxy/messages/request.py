"""A request as the pipeline sees it: after the checks, without hop-by-hop fields, before any byte of it is sent on."""

from urllib.parse import unquote_to_bytes

from iron_proxy.messages.ambiguous_path import path_is_ambiguous
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers

_NOTHING: frozenset[bytes] = frozenset()
# Methods whose empty body is stated: servers answer 411 without it.
_STATES_EMPTY_BODY = frozenset(("POST", "PUT", "PATCH"))


class Request:
    """
    Method, destination, path, header fields and body of one request.

    `raw_path` and `raw_query` are the wire's bytes (`raw_query` is None without a `?`); what is forwarded is built
    from them, so an escape that nobody touched stays as it was. `scheme` is how it goes upstream.
    """

    __slots__ = (
        "_has_ambiguous_path", "_path", "accepts_trailers", "body", "client_name", "headers", "method", "raw_path",
        "raw_query", "scheme", "sensitive", "target", "upgrade",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        scheme: str,
        target: Target,
        raw_path: bytes,
        raw_query: bytes | None = None,
        headers: Headers | None = None,
        body: Body | None = None,
        upgrade: bytes | None = None,
        path: str | None = None,
        has_ambiguous_path: bool | None = None,
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.target = target
        self.raw_path = raw_path
        self.raw_query = raw_query
        self.headers = Headers() if headers is None else headers
        self.body = Body.empty() if body is None else body
        self.upgrade = upgrade                  # the one protocol asked for, lower case, when Connection names it
        self.client_name = ""                   # which of the configured clients asks; "" when it is unknown
        self.sensitive: frozenset[bytes] = _NOTHING     # lower names of fields, or `:path`, that hold a secret
        self.accepts_trailers = False           # the client said `TE: trailers`
        self._path = path                       # these two of `raw_path`, once somebody has asked
        self._has_ambiguous_path = has_ambiguous_path

    @property
    def path(self) -> str:
        """The percent-decoded path, for rules and the audit record; bytes that are not UTF-8 become U+FFFD."""
        if self._path is None:
            self._path = decoded_path(self.raw_path)
        return self._path

    @property
    def has_ambiguous_path(self) -> bool:
        """Whether an origin could read `raw_path` as another path than `path`."""
        if self._has_ambiguous_path is None:
            self._has_ambiguous_path = path_is_ambiguous(self.raw_path)
        return self._has_ambiguous_path

    def set_raw_path(self, raw_path: bytes) -> None:
        """Replace the wire form of the path."""
        self.raw_path = raw_path
        self._path = self._has_ambiguous_path = None

    @property
    def stated_length(self) -> int | None:
        """The Content-Length that goes upstream; None where none does: the length is unknown, or there is no body."""
        length = self.body.length
        return length if length or self.method in _STATES_EMPTY_BODY else None

    @property
    def raw_target(self) -> bytes:
        """The request target in origin form (RFC 9112 section 3.2.1)."""
        return self.raw_path if self.raw_query is None else self.raw_path + b"?" + self.raw_query


def decoded_path(raw_path: bytes) -> str:
    """A path percent-decoded; bytes that are not UTF-8 become U+FFFD."""
    return (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("utf-8", "replace")
