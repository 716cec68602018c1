"""
Fields that concern one connection only and end there (RFC 9110 section 7.6.1).

They are removed as soon as a head is read, before any transform runs: what a client lists in `Connection` can then
never remove a field that a transform adds later.
"""

from iron_proxy.messages.headers import Pair

# `Proxy-Authenticate` and `Proxy-Authorization` are between the client and us; `Trailer` announces fields that the
# serializer announces again where it sends them.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)


def connection_options(pairs: list[Pair]) -> frozenset[bytes]:
    """The lower-case option names of all `Connection` fields."""
    options: set[bytes] = set()
    for name, value in pairs:
        if name.lower() == b"connection":
            options.update(option.strip(b" \t").lower() for option in value.split(b","))
    options.discard(b"")
    return frozenset(options)
