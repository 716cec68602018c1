"""
One stream's state (RFC 9113 section 5), and the windows of what is received.

What is sent needs two numbers only, kept here and in `connection.py`. What is received has a window that opens again
as the bytes are taken: in halves, so that a body costs two small frames per window and not one per piece.
"""

from iron_proxy.protocols.http2.limits import STREAM_WINDOW

UNKNOWN_LENGTH = -1


class ReceiveWindow:
    """How much the peer may still send, and what has been taken but not yet been given back."""

    __slots__ = ("_available", "_size", "_taken")

    def __init__(self, size: int) -> None:
        self._size = size
        self._available = size
        self._taken = 0

    def receive(self, count: int) -> bool:
        """Count bytes that came in; False if the peer had no leave to send them."""
        self._available -= count
        return self._available >= 0

    def give_back(self, count: int) -> int:
        """Count bytes that were taken. Returns what to tell the peer now, or 0: it is told in halves of the window."""
        taken = self._taken = min(self._taken + count, self._size - self._available)
        if taken * 2 < self._size:
            return 0
        self._taken = 0
        self._available += taken
        return taken


class Stream:
    """A stream that is not closed: at least one side may still send."""

    __slots__ = (
        "discards",
        "expected",
        "has_head",
        "id",
        "incoming",
        "informational",
        "informational_bytes",
        "method",
        "received",
        "receiving",
        "send_window",
        "sending",
    )  # fmt: skip

    def __init__(self, stream_id: int, send_window: int, method: str) -> None:
        self.id = stream_id
        self.method = method
        self.send_window = send_window
        self.incoming = ReceiveWindow(STREAM_WINDOW)
        self.sending = True  # we may still send
        self.receiving = True  # the peer may still send
        self.has_head = False  # the final head has come in: fields that follow are trailers
        self.discards = False  # the request was refused: what follows of it is dropped
        self.informational = self.informational_bytes = 0  # 1xx so far
        self.expected = UNKNOWN_LENGTH  # Content-Length
        self.received = 0  # DATA bytes so far, without padding

    @property
    def is_whole(self) -> bool:
        """Whether the body has the length that its head said, or none was said."""
        return self.expected in (UNKNOWN_LENGTH, self.received)
