"""
`python -m bench.profiling.pure_parts`: each part of the way that does no I/O, run so that somebody can count.

The parts are those that a request or a question passes, each with what the benchmark sends: bytes in, a value out.
Before and behind the repetitions of each stands a call of `getppid`, which the proxy never makes: `instructions.py`
lets callgrind begin a new count at it. The first part does nothing; what it costs is the loop itself.
"""

import functools
import gc
import itertools
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import dns.message

from bench.certificates import CertificateFiles
from bench.iron_proxy import IronProxy
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, SMALL, SMALL_BODY, UNKNOWN_HOSTS, Ports, Setting
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.outcome import allowed
from iron_proxy.audit.record import new_request_id, request_record
from iron_proxy.config.loading import load_config
from iron_proxy.dns.answers import Zone
from iron_proxy.dns.forwarding import Forwarded
from iron_proxy.dns.responder import Responder
from iron_proxy.messages.body import Body
from iron_proxy.messages.body_memory import HeldBody
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http1.request_parser import RequestParser
from iron_proxy.protocols.http1.response_parser import ResponseParser
from iron_proxy.protocols.http1.serializer import serialize_head
from iron_proxy.protocols.http2.hpack import FieldDecoder, FieldEncoder
from iron_proxy.proxy.request_checks import check_request
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.upstream.http1_client import request_head

# The specialising interpreter has settled after some dozens of runs.
_WARM_UP = 200
# Enough that what happens now and then, such as the growth of a table, does not show.
REPETITIONS = 200
# None comes twice in a run: nothing knows it again.
_PATHS = _WARM_UP + REPETITIONS

_PORTS = Ports(80, 443)
_CLIENT = "127.0.0.1:40000"
_MOST_FIELD_BYTES = 64 * 1024

Unit = Callable[[], object]


def nothing() -> Unit:
    """The loop itself."""
    return lambda: None


def request_heads(paths: int) -> Unit:
    """Bytes of a GET into its head, on a kept connection."""
    parser = RequestParser()
    heads = itertools.cycle([_request_bytes(f"{SMALL}?n={number}") for number in range(paths)])

    def unit() -> None:
        parser.start_next()
        parser.receive(next(heads))
        assert isinstance(parser.next_event(), RequestHead)
        parser.next_event()

    return unit


def decision() -> Unit:
    """A head checked, made a request, put to the allowlist, and its token swapped."""
    pipeline, head = _pipeline(), _known_head()

    def unit() -> Exchange:
        return _decided(pipeline, head)

    return unit


def request_written() -> Unit:
    """The request's head as it goes upstream."""
    request = _decided(_pipeline(), _known_head()).request

    return lambda: request_head(request)


def answer_heads(size: int) -> Unit:
    """Bytes of an answer into its head and body, on a kept connection."""
    parser = ResponseParser()
    message = _answer_bytes(size)

    def unit() -> None:
        parser.expect("GET")
        parser.receive(message)
        assert isinstance(parser.next_event(), ResponseHead)
        parser.next_event()

    return unit


def answer_scrubbed(size: int) -> Unit:
    """An answer looked through for the secret, which is not in it."""
    exchange, headers = _decided(_pipeline(), _known_head()), _answer_head().pairs
    body = _body(size)

    def unit() -> None:
        assert not exchange.needs_scrubbing(Response(200, Headers(headers), Body.of(body), b"OK"))

    return unit


def answer_written() -> Unit:
    """The answer's head as it goes to the client."""
    fields = _answer_head().pairs

    return lambda: serialize_head(b"HTTP/1.1 200 OK", None, fields, b"Content-Length: %d\r\n" % len(SMALL_BODY))


def record() -> Unit:
    """The audit record, made and written as JSON."""
    traces: list[dict[str, Any]] = []
    _without_waiting(_pipeline().run_request(_exchange(_known_head()), traces))

    def unit() -> bytes:
        made = request_record(
            allowed(200), request_id=new_request_id(), host=HOST, method="GET", path=SMALL, client=_CLIENT,
            server_name=HOST, duration=0.0005, request_traces=traces, response_traces=[],
        )  # fmt: skip
        made.rule = "domains[0]"
        made.upstream = {"address": "127.0.0.1:443", "tls": "TLSv1.3", "certificate_sha256": "0" * 64}
        return seed_envelope(made)

    return unit


def known_block() -> Unit:
    """The field block of a call over HTTP/2 into its fields; from the third time on a peer writes the same bytes."""
    encoder, decoder = FieldEncoder(), FieldDecoder(_MOST_FIELD_BYTES)
    for _ in range(2):
        decoder.decode(encoder.encode(_call_fields(0)))

    return functools.partial(decoder.decode, encoder.encode(_call_fields(0)))


def new_blocks() -> Unit:
    """The same for ever new paths. A block tells something only in its order: there are as many as a run takes."""
    encoder, decoder = FieldEncoder(), FieldDecoder(_MOST_FIELD_BYTES)
    blocks = iter([encoder.encode(_call_fields(number)) for number in range(_PATHS)])

    return lambda: decoder.decode(next(blocks))


def dns_answer() -> Unit:
    """A question for an address, answered with the proxy's own."""
    responder = Responder(Zone("127.0.0.1"), _NoLookups(), lambda _event: None)
    question = dns.message.make_query(f"host.{UNKNOWN_HOSTS}", "A").to_wire()

    return lambda: responder.answer(question, ("127.0.0.1", 40000))


# What it is called, and what makes the unit of it.
PARTS: tuple[tuple[str, Callable[[], Unit]], ...] = (
    ("nothing", nothing),
    ("head of a request, the same as the one before", lambda: request_heads(1)),
    ("head of a request, another query each time", lambda: request_heads(_PATHS)),
    ("check, allowlist, one secret swapped", decision),
    ("head of the request, written", request_written),
    ("answer with a small body, the same head as before", lambda: answer_heads(len(SMALL_BODY))),
    ("small answer, looked through for the secret", lambda: answer_scrubbed(len(SMALL_BODY))),
    ("answer of 16 KiB, looked through for the secret", lambda: answer_scrubbed(16 * 1024)),
    ("head of the answer, written", answer_written),
    ("audit record, made and written", record),
    ("HTTP/2 field block, the same as one before", known_block),
    ("HTTP/2 field block, another path each time", new_blocks),
    ("DNS question, answered with the proxy's address", dns_answer),
)


def main() -> None:
    """All parts, one after the other. No collection of garbage comes in between."""
    units = [make() for _, make in PARTS]
    for unit in units:
        _repeat(unit, _WARM_UP)
    gc.collect()
    gc.disable()
    for unit in units:
        os.getppid()
        _repeat(unit, REPETITIONS)
        os.getppid()


def _repeat(unit: Unit, count: int) -> None:
    for _ in range(count):
        unit()


# --- what the parts are made of -------------------------------------------------------------------------------------


class _NoLookups:
    """No name is passed through, so that nobody is asked."""

    def known(self, forward: object) -> None:
        return None

    async def look_up(self, forward: object) -> Forwarded:
        raise AssertionError("a name was looked up")


class _NoSource:
    """Of a request without a body: nobody reads it."""

    trailers = ()

    async def read_body(self) -> bytes:
        raise AssertionError("there is no body")

    def read_body_nowait(self) -> bytes | None:
        raise AssertionError("there is no body")

    def hold_body(self) -> HeldBody:
        raise AssertionError("there is no body")


_NO_SOURCE = _NoSource()


def _request_bytes(target: str) -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {PROXY_TOKEN}\r\nAccept: */*\r\n\r\n"
    ).encode()


def _answer_bytes(size: int) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\nServer: origin\r\n\r\n"
    return head.encode() + _body(size)


def _body(size: int) -> bytes:
    return (SMALL_BODY * (size // len(SMALL_BODY) + 1))[:size]


def _known_head() -> RequestHead:
    """As it is given from the third time on."""
    parser = RequestParser()
    for _ in range(2):
        parser.receive(_request_bytes(SMALL))
        parser.next_event()
        parser.next_event()
        parser.start_next()
    parser.receive(_request_bytes(SMALL))
    head = parser.next_event()
    assert isinstance(head, RequestHead)
    return head


def _answer_head() -> ResponseHead:
    parser = ResponseParser()
    for _ in range(2):
        parser.expect("GET")
        parser.receive(_answer_bytes(len(SMALL_BODY)))
        parser.next_event()
        parser.next_event()
    parser.expect("GET")
    parser.receive(_answer_bytes(len(SMALL_BODY)))
    head = parser.next_event()
    assert isinstance(head, ResponseHead)
    return head


def _pipeline() -> Pipeline:
    """That of the benchmark's own arm."""
    nowhere = CertificateFiles(*(Path("/nowhere", name) for name in ("ca.crt", "ca.key", "leaf.crt", "leaf.key")))
    document = IronProxy().configuration(Setting(Path("/nowhere"), nowhere, _PORTS), _PORTS, 9090, 53)
    config, _warnings = load_config("bench.yaml", {}, lambda _path: json.dumps(document).encode())
    return build_pipeline(config, {"BENCH_SECRET": REAL_SECRET})


def _exchange(head: RequestHead) -> Exchange:
    request = check_request(head, _NO_SOURCE, scheme="https", server_name=HOST, tunnel=None)
    return Exchange(request, _CLIENT, HOST, None)


def _decided(pipeline: Pipeline, head: RequestHead) -> Exchange:
    exchange = _exchange(head)
    _without_waiting(pipeline.run_request(exchange, []))
    return exchange


def _without_waiting(coroutine: Coroutine[Any, Any, object]) -> None:
    """A coroutine that never waits needs no loop, which would be counted too."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("a part that does no I/O has waited")


def _call_fields(number: int) -> list[tuple[bytes, bytes, bool]]:
    return [
        (b":method", b"POST", False), (b":scheme", b"https", False), (b":authority", HOST.encode(), False),
        (b":path", b"/bench.Answers/Get%d" % number, False), (b"content-type", b"application/grpc", False),
        (b"te", b"trailers", False), (b"authorization", f"Bearer {PROXY_TOKEN}".encode(), True),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
