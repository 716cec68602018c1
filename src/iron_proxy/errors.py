"""
Every exception we raise, sorted by who is at fault; each knows the status a client would see.

Messages are written into audit records, so they hold what we composed: never a header value, a URL after a swap,
or the text of a foreign exception that may quote one. Foreign errors become ours at the seam (`streams/`,
`upstream/`, `secret_sources/`), with `from`.
"""

import os


class IronProxyError(Exception):
    """The root of everything iron-proxy raises on purpose."""

    status = 500


# --- the operator's fault -------------------------------------------------------------------------------------------


class ConfigError(IronProxyError):
    """The configuration cannot be used. `problems` are complete sentences, each naming its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartupError(IronProxyError):
    """A valid configuration could not be started: a port in use, an unreadable CA key."""


class JailUnavailable(StartupError):
    """This machine does not let a program be jailed. The message is a sentence with the reason and what to do."""


# --- the client's fault ---------------------------------------------------------------------------------------------


class ClientError(IronProxyError):
    """The client sent something we refuse. The message is a fixed sentence: nothing the client sent is quoted in it."""

    status = 400


class BadRequest(ClientError):
    """A malformed or ambiguous message: 400 unless a more precise status is given."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class BadHandshake(ClientError):
    """A TLS, CONNECT or SOCKS5 opening that cannot be completed; there is no HTTP answer to give."""


class ClientDisconnected(ClientError):
    """The client went away, or stopped sending in the middle of a message."""


class TooMuchHeld(ClientError):
    """The client, or all of them together, make us hold too much at this moment: later it may fit."""

    status = 503


class ClientTimeout(ClientError):
    """The client was too slow: a head, a body piece or a read of our answer overran its deadline."""

    status = 408


# --- the upstream's fault -------------------------------------------------------------------------------------------


class UpstreamError(IronProxyError):
    """The upstream could not be reached, or misbehaved."""

    status = 502


class UpstreamUnreachable(UpstreamError):
    """Name resolution or the TCP connection failed for every address."""


class UpstreamDenied(UpstreamError):
    """The address that a name resolved to is one we never connect to."""


class UpstreamTLSError(UpstreamError):
    """The upstream's certificate or handshake was not acceptable; no application data was sent."""


class UpstreamALPNRefused(UpstreamTLSError):
    """The upstream speaks none of the protocols that were offered (RFC 7301)."""


class UpstreamTimeout(UpstreamError):
    """The upstream did not connect, answer or go on within its deadline."""


class UpstreamProtocolError(UpstreamError):
    """The upstream's answer is not HTTP/1.1, or its framing is ambiguous."""


class UpstreamDisconnected(UpstreamError):
    """The upstream closed the connection before its message was complete."""


class UpstreamRefusedStream(UpstreamDisconnected):
    """The upstream did not look at the request (RFC 9113 section 8.7): it may be sent again, whatever it is."""


# --- ours, or a transform's -----------------------------------------------------------------------------------------


class TransformError(IronProxyError):
    """A transform failed. The request is not forwarded; the client sees 502 and the audit record says which one."""

    status = 502


class SecretUnavailable(IronProxyError):
    """A secret source has no value now. The message names the source, never a value."""

    status = 502


class AuditUnavailable(IronProxyError):
    """Nothing can be audited (`audit.mode: strict`), so nothing is done. The client may try again."""

    status = 503


def system_reason(error: OSError) -> str:
    """What the system says of an error, as part of a sentence: `permission denied`. Go's spelling."""
    return os.strerror(error.errno or 0).lower()


def let_go(error: BaseException | None) -> None:
    """
    Drop what an error that has been dealt with knows: the frames that it went through, the errors that it came from.

    They know each other and it, above all in the frames of a TaskGroup. What they hold of a body or a connection would
    stay until the collector of cycles comes, which is thousands of connections later.
    """
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__context__, each.__cause__, *getattr(each, "exceptions", ())]
        each.__traceback__ = each.__context__ = each.__cause__ = None
