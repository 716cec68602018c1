"""
The `limits:` block: how long each thing may take, and how many there may be of it.

Limits that had a key before there was this block keep it (`proxy`, `dns`). Called by `reading.py`.
"""

from typing import Final

from iron_proxy.config import schema
from iron_proxy.config.section import Section
from iron_proxy.config.sizes import parse_size

# One body of the default size with the piece that it may hold beyond; with less, many an honest upload would not fit.
_SMALLEST_BODY_MEMORY: Final = 2 * 1024 * 1024


def read_limits(section: Section) -> schema.LimitsConfig:
    """Read the block. 0 means the default everywhere, and nothing is without a limit."""
    config = schema.LimitsConfig(
        tls_handshake=section.duration("tls_handshake", schema.DEFAULT_TLS_HANDSHAKE, positive=True),
        request_head=section.duration("request_head", schema.DEFAULT_REQUEST_HEAD, positive=True),
        first_byte=section.duration("first_byte", schema.DEFAULT_FIRST_BYTE, positive=True),
        idle=section.duration("idle", schema.DEFAULT_IDLE, positive=True),
        request_body_idle=section.duration("request_body_idle", schema.DEFAULT_REQUEST_BODY_IDLE, positive=True),
        write=section.duration("write", schema.DEFAULT_WRITE, positive=True),
        connect=section.duration("connect", schema.DEFAULT_CONNECT, positive=True),
        response_body_idle=section.duration("response_body_idle", schema.DEFAULT_RESPONSE_BODY_IDLE, positive=True),
        tunnel_idle=section.duration("tunnel_idle", schema.DEFAULT_TUNNEL_IDLE, positive=True),
        connections=section.integer("connections", 0, at_least=0) or None,
        connections_per_client=section.integer("connections_per_client", 0, at_least=0) or None,
        http2_streams=_streams(section),
        body_memory=_body_memory(section),
    )
    section.finish()
    return config


def _streams(section: Section) -> int:
    value = section.integer("http2_streams", 0, at_least=0) or schema.DEFAULT_HTTP2_STREAMS
    if value > schema.MAX_HTTP2_STREAMS:
        remedy = "a client that cancels more at once is taken for an attack; it can open another connection"
        section.problem("http2_streams", f"must be at most {schema.MAX_HTTP2_STREAMS}; got {value} ({remedy})")
        return schema.DEFAULT_HTTP2_STREAMS
    return value


def _body_memory(section: Section) -> int:
    text = section.text("body_memory")
    size = parse_size(text) if text else 0
    if size is None:
        section.problem("body_memory", f'must be a number of bytes, or a size such as 256MiB; got "{text}"')
    elif 0 < size < _SMALLEST_BODY_MEMORY:
        section.problem("body_memory", f"must be at least 2MiB; got {text}")
    return size or schema.DEFAULT_BODY_MEMORY
