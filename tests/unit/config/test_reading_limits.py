"""The `limits:` block."""

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig

DURATIONS = (
    "tls_handshake", "request_head", "first_byte", "idle", "request_body_idle", "write", "connect",
    "response_body_idle", "tunnel_idle",
)  # fmt: skip
ZEROS = "limits: {idle: 0s, connections: 0, http2_streams: 0, body_memory: 0}"
REST = "dns: {enabled: false}\nproxy: {https_listen: off}\n"


def read(text: str) -> tuple[LimitsConfig, list[str]]:
    root = parse_config(REST + text, "f")
    return read_config(root, {}).limits, root.problems.errors


@pytest.mark.parametrize("text", ["", "limits:", "limits: {}", ZEROS])
def test_without_a_word_and_with_zero_the_defaults_count(text: str) -> None:
    assert read(text) == (DEFAULT_LIMITS, [])


def test_everything_can_be_said() -> None:
    times = ", ".join(f"{key}: {number}s" for number, key in enumerate(DURATIONS, 1))

    counts = "connections: 100, connections_per_client: 50, http2_streams: 30, body_memory: 3MiB"

    limits, errors = read(f"limits: {{{times}, {counts}}}")

    assert errors == []
    assert [getattr(limits, key) for key in DURATIONS] == [float(number) for number in range(1, len(DURATIONS) + 1)]
    assert (limits.connections, limits.connections_per_client, limits.http2_streams) == (100, 50, 30)
    assert limits.body_memory == 3 * 1024**2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("idle: -1s", "limits.idle: must be positive; got -1s"),
        ("write: soon", "limits.write: "),
        ("connections: -1", "limits.connections: must be at least 0; got -1"),
        ("http2_streams: 201", "limits.http2_streams: must be at most 200; got 201 (a client that cancels more"),
        ("body_memory: much", "limits.body_memory: must be a number of bytes, or a size such as 256MiB"),
        ("body_memory: 1MiB", "limits.body_memory: must be at least 2MiB; got 1MiB"),
        ("idel: 1s", "limits.idel: unknown key"),
    ],
)
def test_what_cannot_be_is_refused(text: str, error: str) -> None:
    _, errors = read(f"limits: {{{text}}}")

    assert len(errors) == 1
    assert error in errors[0]
