"""
Fields that concern one connection only and end there (RFC 9110 section 7.6.1).

They are set apart as soon as a head is read, before any transform runs: what a client lists in `Connection` can then
never remove a field that a transform adds later.
"""

# `Proxy-Authenticate` and `Proxy-Authorization` are between the client and us; `Trailer` announces fields that the
# serializer announces again where it sends them; `HTTP2-Settings` belongs to an upgrade that we do not make.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
