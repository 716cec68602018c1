"""A request as the pipeline sees it: after the checks, without hop-by-hop fields, before any byte of it is sent on."""

from urllib.parse import unquote_to_bytes

from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers


class Request:
    """
    Method, destination, path, header fields and body of one request.

    `raw_path` and `raw_query` are the wire's bytes (`raw_query` is None without a `?`); what is forwarded is built
    from them, so an escape that nobody touched stays as it was. `scheme` is how it goes upstream.
    """

    __slots__ = (
        "_path", "accepts_trailers", "body", "headers", "method", "raw_path", "raw_query", "scheme", "target",
        "upgrade",
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
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.target = target
        self.raw_path = raw_path
        self.raw_query = raw_query
        self.headers = Headers() if headers is None else headers
        self.body = Body.empty() if body is None else body
        self.upgrade = upgrade                  # the one protocol asked for, lower case, when Connection names it
        self.accepts_trailers = False           # the client said `TE: trailers`
        self._path: str | None = None

    @property
    def path(self) -> str:
        """The percent-decoded path, for rules and the audit record; bytes that are not UTF-8 become U+FFFD."""
        if self._path is None:
            raw = self.raw_path
            self._path = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8", "replace")
        return self._path

    def set_raw_path(self, raw_path: bytes) -> None:
        """Replace the wire form of the path."""
        self.raw_path = raw_path
        self._path = None

    @property
    def raw_target(self) -> bytes:
        """The request target in origin form (RFC 9112 section 3.2.1)."""
        return self.raw_path if self.raw_query is None else self.raw_path + b"?" + self.raw_query
