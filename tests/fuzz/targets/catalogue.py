"""
Every place where bytes of somebody else are taken apart, with the check of what must hold whatever they are.

A target takes the bytes as they would come over the wire, and raises when something does not hold: the sentence of its
check says what. Its corpus is `tests/fuzz/corpus/NAME`. Replayed by `test_corpus.py`, fed by `run.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import (
    audit_files,
    configuration,
    content_codings,
    dns,
    handshakes,
    http1,
    http1_disagreements,
    http2,
    secrets,
    texts,
    websocket,
)

CORPUS = Path(__file__).parent.parent / "corpus"

_HTTP1 = (
    b"GET ", b"POST ", b"CONNECT ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 S\r\n",
    b"Host: ok.test\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Connection: ", b"close", b"upgrade",
    b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n", b"Trailer: ", b"TE: trailers\r\n", b"\r\n\r\n",
    b"0\r\n\r\n", b"\n", b"\r", b"\0", b"\x0b", b"\x85", b"\xa0", b" \t", b";a=\"b\"", b"identity", b", ",
    b"http://ok.test/",
)  # fmt: skip
_TOKENS = tuple(token.encode() for token in secrets.SWAPPED)
_YAML = (
    b"proxy:\n", b"  tunnel_listen: ", b"dns:\n", b"tls:\n", b"transforms:\n", b"- name: ", b"  config:\n",
    b"allowlist", b"secrets", b"domains: [", b"rules:\n", b"- host: ", b"cidrs: [", b"source: env",
    b"var: OPENAI_API_KEY", b"&a ", b"*a", b"<<: ", b"!!python/object:", b"!!binary ", b"? ", b"|\n", b">\n", b"---\n",
    b"1_0", b"0x1f", b".inf", b"~", b"'", b"\"\\u0000\"", b"\xef\xbb\xbf", b"{", b"[", b"#",
)  # fmt: skip


class Target(NamedTuple):
    """`dictionary` holds what a fuzzer would be long in finding; an input is at most `max_bytes`."""

    check: Callable[[bytes], None]
    dictionary: tuple[bytes, ...] = ()
    max_bytes: int = 4096

    @property
    def oracle(self) -> str:
        """What must hold, in a sentence."""
        return (self.check.__doc__ or "").strip().partition("\n")[0]


TARGETS: dict[str, Target] = {
    "http1-request": Target(http1.check_requests, _HTTP1),
    "http1-response": Target(http1.check_responses, _HTTP1),
    "http1-chunks": Target(http1.check_chunks, (b"0\r\n", b"\r\n\r\n", b";a=b", b"5\r\nhello\r\n", b"\n", b"0x")),
    "http1-readers": Target(http1_disagreements.check_agreement, _HTTP1),
    "http2-server": Target(http2.check_server, max_bytes=2048),
    "http2-client": Target(http2.check_client, max_bytes=2048),
    "hpack": Target(http2.check_block, max_bytes=512),
    "client-hello": Target(handshakes.check_client_hello, max_bytes=1024),
    "socks5-server": Target(handshakes.check_socks5_server, (b"\x05\x01\x00", b"\x05\x01\x00\x03"), 1200),
    "socks5-client": Target(handshakes.check_socks5_client, (b"\x05\x00", b"\x05\x00\x00\x01"), 600),
    "connect-reply": Target(handshakes.check_connect_reply, _HTTP1, 1024),
    "authority": Target(handshakes.check_authority, (b"[::", b"]:", b"0x7f", b"xn--", b".", b":443", b"%25"), 300),
    "dns": Target(dns.check_packet, (b"\xc0\x0c", b"\0\0\x29", b"\x04test\0", b"\x06passed\x04test\0"), 700),
    "content-coding": Target(content_codings.check_body, (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x78\x9c"), 1024),
    "coding-field": Target(content_codings.check_field, (b"gzip", b"x-gzip", b"identity", b"zstd", b", "), 200),
    "answer": Target(secrets.check_answer, (b"sk-live", b"_1/+=", b"\ndata: ", b"-----KEY-----", b"%2F"), 600),
    "request-body": Target(secrets.check_request, (*_TOKENS, b"\\u0074", b"%74", b"\r\n----=b\r\n", b'":"'), 600),
    "websocket": Target(websocket.check_frames, (b"\x81\x05", b"\x01\x7e", b"\x88\x02\x03\xe8", b"\x89\x00"), 1024),
    "template": Target(texts.check_template, (b"{{ .Value }}", b"{{- ", b" -}}", b"{{/*", b"*/}}", b'"\\x41"'), 300),
    "glob": Target(texts.check_glob, (b"*", b"?", b"[^", b"a-z]", b"\\", b"\0", b"/"), 200),
    "pattern": Target(texts.check_pattern, (b"*.", b"/v1/*", b"10.0.0.0/8", b"\0", b"xn--", b"[::1]", b"/^X-/"), 300),
    "number": Target(texts.check_number, (b"1h30m", b"ns", b"0x", b"0b", b"_", b"9223372036854775807", b"true"), 200),
    "configuration": Target(configuration.check_file, _YAML, 2048),
    "audit-file": Target(audit_files.check_told, (b'{"msg":"request"', b'"host":"', b"\x1f\x8b", b"\\u001b"), 2048),
    "audit-learning": Target(audit_files.check_learned, (b'"path":"/', b'"action":"allow"', b"\n", b"%2f"), 2048),
}
