"""gRPC's framing of messages in a body, for fakes that speak it over HTTP/2 without gRPC's own library."""

GRPC_HEADERS = [(b"te", b"trailers"), (b"content-type", b"application/grpc"), (b"user-agent", b"grpc-fake/1")]


def framed(*messages: bytes) -> bytes:
    """Uncompressed messages, each behind its length."""
    return b"".join(b"\0" + len(message).to_bytes(4, "big") + message for message in messages)


def unframed(body: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages of a body, and what is left behind them."""
    messages = []
    while len(body) >= 5 and len(body) >= (end := 5 + int.from_bytes(body[1:5], "big")):
        messages.append(body[5:end])
        body = body[end:]
    return messages, body
