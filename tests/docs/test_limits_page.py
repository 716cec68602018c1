"""The page of limits: every one of the configuration with its default, and the fixed ones as the code has them."""

import re
from dataclasses import fields

import pytest
from tests.docs.pages import text_of

from iron_proxy.config import capacity
from iron_proxy.config.schema import DEFAULT_LIMITS, MAX_HTTP2_STREAMS, LimitsConfig
from iron_proxy.config.sizes import parse_size
from iron_proxy.go_compat.durations import parse_duration
from iron_proxy.listeners import connection_counts
from iron_proxy.protocols.http1 import limits as http1
from iron_proxy.protocols.http2 import limits as http2
from iron_proxy.proxy import timeouts
from iron_proxy.runtime.open_files import ENOUGH
from iron_proxy.upstream import pool
from iron_proxy.upstream.dialer import ATTEMPT_SHARE

PAGE = text_of("docs/reference/limits.md")
ROWS = {
    name: cells
    for name, *cells in (row.split(" | ") for row in re.findall(r"^\| (.+) \|$", PAGE, re.MULTILINE))
    if cells
}


@pytest.mark.parametrize("name", [field.name for field in fields(LimitsConfig)])
def test_a_limit_stands_there_with_its_default(name: str) -> None:
    default, value = ROWS[f"`limits.{name}`"][0].strip("`"), getattr(DEFAULT_LIMITS, name)

    if value is None:
        assert not default.isdigit()             # follows from the machine
    elif isinstance(value, int):
        assert parse_size(default) == value
    else:
        assert parse_duration(default) == value


def test_the_configuration_page_says_the_same_defaults() -> None:
    page = text_of("docs/reference/configuration.md")

    told = dict(re.findall(r"^\| (`limits\.\w+`) \| (.+?) \|", page, re.MULTILINE))

    assert told == {name: cells[0] for name, cells in ROWS.items() if name.startswith("`limits.")}


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("head of a request", f"{http1.MAX_REQUEST_HEAD_BYTES // 1024} KiB"),
        ("head of a response", f"{http1.MAX_RESPONSE_HEAD_BYTES // 1024} KiB"),
        ("fields of a head", str(http1.MAX_FIELDS)),
        ("line of a chunk", f"{http1.MAX_CHUNK_LINE_BYTES // 1024} KiB"),
        ("trailers", f"{http1.MAX_TRAILER_BYTES // 1024} KiB"),
        ("1xx answers before one", str(http1.MAX_INFORMATIONAL)),
        ("window of an HTTP/2 stream", f"{http2.STREAM_WINDOW // 1024} KiB"),
        ("window of a client's HTTP/2 connection", f"{http2.CLIENT_CONNECTION_WINDOW // 1024**2} MiB"),
        ("a client that ends its direction behind its request", f"{timeouts.HALF_CLOSE_GRACE:.0f} s for its answer"),
        (
            "the rest of a body that nobody wants",
            f"{timeouts.LINGER:.0f} s, {timeouts.LINGER_BYTES // 1024} KiB",
        ),
        (
            "idle connections to upstreams",
            f"{pool.IDLE_SECONDS:.0f} s; {pool.MAX_IDLE_PER_ORIGIN} of one origin, {pool.MAX_IDLE} in all",
        ),
    ],
)
def test_a_fixed_limit_stands_there_with_its_value(row: str, value: str) -> None:
    assert ROWS[row][0] == value


def test_the_numbers_in_the_sentences_are_the_codes() -> None:
    whole = capacity.capacity_of(DEFAULT_LIMITS, ENOUGH).connections

    assert f"up to {ENOUGH:,}, which makes {whole:,} connections" in PAGE
    assert f"with 1,024 open files it is {capacity.connections_within(1024)}" in PAGE
    assert f"{capacity.RESERVED_DESCRIPTORS} are kept for listeners" in PAGE
    assert f"At most `{MAX_HTTP2_STREAMS}`" in PAGE
    assert f"for up to {connection_counts.MAX_CLIENTS_TOLD} clients" in PAGE
    assert connection_counts.TELL_EVERY == 1.0
    assert ATTEMPT_SHARE == 0.1                  # "a tenth of it"
    assert DEFAULT_LIMITS.http2_streams == http2.MAX_CONCURRENT_STREAMS
    assert http2.RESETS[0] == MAX_HTTP2_STREAMS
