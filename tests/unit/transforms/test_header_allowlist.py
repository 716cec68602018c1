"""What is not listed is removed; nothing else changes."""

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.transforms.header_allowlist import build

CONTEXT = TransformContext(environment={}, max_request_body_bytes=None)


def transform_of(yaml: str) -> RequestTransform:
    section = parse_config(yaml, "test.yaml")
    transform = build(section, CONTEXT)
    section.problems.raise_if_any()
    return transform


def exchange_with(*names: bytes, raw_path: bytes = b"/", upgrade: bytes | None = None) -> Exchange:
    headers = Headers([(name, b"value") for name in names])
    return Exchange(Request("GET", "https", Target("api.test", 443), raw_path, headers=headers, upgrade=upgrade))


def names_of(exchange: Exchange) -> list[bytes]:
    return [name for name, _ in exchange.request.headers]


async def test_only_listed_fields_stay() -> None:
    exchange = exchange_with(b"Authorization", b"Cookie", b"Content-Type", b"X-Sneaky")

    verdict = await transform_of("headers: [Authorization, Content-Type]").on_request(exchange)

    assert verdict is CONTINUE
    assert names_of(exchange) == [b"Authorization", b"Content-Type"]
    assert exchange.notes == {"stripped_headers": ["Cookie", "X-Sneaky"]}


async def test_names_are_compared_without_case() -> None:
    exchange = exchange_with(b"X-Request-ID", b"AUTHORIZATION")

    await transform_of("headers: [x-request-id, authorization]").on_request(exchange)

    assert names_of(exchange) == [b"X-Request-ID", b"AUTHORIZATION"]
    assert exchange.notes == {}


async def test_a_field_is_removed_in_every_spelling_and_reported_once() -> None:
    exchange = exchange_with(b"x-sneaky", b"X-SNEAKY", b"Accept", b"X-Sneaky")

    await transform_of("headers: [Accept]").on_request(exchange)

    assert names_of(exchange) == [b"Accept"]
    assert exchange.notes == {"stripped_headers": ["X-Sneaky"]}


async def test_a_regex_lists_a_family_of_fields() -> None:
    exchange = exchange_with(b"x-trace-id", b"X-Trace-Span", b"X-Other")

    await transform_of("headers: ['/^X-Trace-.*$/']").on_request(exchange)

    assert names_of(exchange) == [b"x-trace-id", b"X-Trace-Span"]


async def test_host_and_framing_fields_are_neither_removed_nor_reported() -> None:
    exchange = exchange_with(b"Host", b"Content-Length", b"content-length", b"Transfer-Encoding")

    await transform_of("headers: [Accept]").on_request(exchange)

    assert names_of(exchange) == [b"Host", b"Content-Length", b"content-length", b"Transfer-Encoding"]
    assert exchange.notes == {}


@pytest.mark.parametrize(
    ("headers", "upgrade", "stripped"),
    [
        pytest.param("[Accept]", None, ["Connection", "Upgrade"], id="neither listed"),
        pytest.param("[Upgrade]", None, ["Connection"], id="Connection not listed"),
        pytest.param("[Connection]", None, ["Upgrade"], id="Upgrade not listed"),
        pytest.param("[Connection, upgrade]", b"websocket", None, id="both listed"),
    ],
)
async def test_an_upgrade_passes_only_when_its_fields_are_listed(
    headers: str, upgrade: bytes | None, stripped: list[str] | None
) -> None:
    exchange = exchange_with(upgrade=b"websocket")

    await transform_of(f"headers: {headers}").on_request(exchange)

    assert exchange.request.upgrade == upgrade
    assert exchange.notes.get("stripped_headers") == stripped


@pytest.mark.parametrize(
    ("rules", "raw_path", "is_covered"),
    [
        pytest.param("[{host: api.test}]", b"/", True, id="covered"),
        pytest.param("[{host: other.test}]", b"/", False, id="another host"),
        pytest.param("[{host: api.test, paths: [/v1/*]}]", b"/v1/x", True, id="covered path"),
        pytest.param("[{host: api.test, paths: [/v1/*]}]", b"/v2/x", False, id="another path"),
        pytest.param("[{host: api.test, paths: [/v1/*]}]", b"//v1/x", True, id="an odd spelling is no way round"),
        pytest.param("[]", b"/", True, id="no rules cover everything"),
    ],
)
async def test_rules_say_which_requests_are_covered(rules: str, raw_path: bytes, is_covered: bool) -> None:
    exchange = exchange_with(b"X-Sneaky", raw_path=raw_path)

    await transform_of(f"headers: [Accept]\nrules: {rules}\n").on_request(exchange)

    assert (names_of(exchange) == []) is is_covered


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        pytest.param("{}", "headers: at least one header is required", id="absent"),
        pytest.param("headers: []", "headers: at least one header is required", id="empty"),
        pytest.param("headers: ['/[unterminated/']", 'headers[0]: invalid headers regex "[unterminated": ', id="regex"),
        pytest.param("headers: [Accept, 'X Y']", 'headers[1]: "X Y" is not a header name', id="name"),
        pytest.param("headers: [Accept]\nrules: [{}]", "rules[0]: one of host or cidr is required", id="rule"),
        pytest.param("headers: [Accept]\nrule: []", 'rule: unknown key (did you mean "rules"?)', id="unknown key"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(yaml: str, problem: str) -> None:
    section = parse_config(yaml, "test.yaml")

    build(section, CONTEXT)

    assert any(problem in error for error in section.problems.errors), section.problems.errors


class TrailedBody:
    """An empty body with a field behind it."""

    def __init__(self) -> None:
        self.trailers = [(b"X-Sneaky", b"1")]

    async def read_body(self) -> bytes:
        return b""

    def read_body_nowait(self) -> bytes | None:
        return b""


async def test_trailers_cannot_carry_what_is_not_listed() -> None:
    exchange = exchange_with(b"Accept")
    exchange.request.body = Body(TrailedBody(), None)

    await transform_of("headers: [Accept]").on_request(exchange)

    assert not exchange.request.body.trailers
