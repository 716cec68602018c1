"""Chosen header fields become annotations; the request stays as it is."""

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.transforms.annotate import build

CONTEXT = TransformContext(environment={}, max_request_body_bytes=None)

TWO_GROUPS = """
annotations:
  - {rules: [{host: api.test}], headers: [x-request-id, X-Job]}
  - {rules: [{host: "*.test", methods: [POST], paths: [/v1/*]}], headers: [X-Post]}
"""


def transform_of(yaml: str) -> RequestTransform:
    section = parse_config(yaml, "test.yaml")
    transform = build(section, CONTEXT)
    section.problems.raise_if_any()
    return transform


def exchange_with(*pairs: Pair, host: str = "api.test", method: str = "GET", raw_path: bytes = b"/") -> Exchange:
    return Exchange(Request(method, "https", Target(host, 443), raw_path, headers=Headers(list(pairs))))


async def test_a_listed_field_is_noted_under_its_canonical_name() -> None:
    exchange = exchange_with((b"X-REQUEST-ID", b"r1"), (b"X-Other", b"o"))

    verdict = await transform_of(TWO_GROUPS).on_request(exchange)

    assert verdict is CONTINUE
    assert exchange.notes == {"header:X-Request-Id": "r1"}


async def test_only_the_first_value_counts() -> None:
    exchange = exchange_with((b"X-Job", b"first"), (b"x-job", b"second"))

    await transform_of(TWO_GROUPS).on_request(exchange)

    assert exchange.notes == {"header:X-Job": "first"}


async def test_an_empty_first_value_is_not_noted() -> None:
    exchange = exchange_with((b"X-Job", b""), (b"X-Job", b"second"))

    await transform_of(TWO_GROUPS).on_request(exchange)

    assert exchange.notes == {}


@pytest.mark.parametrize(
    ("host", "method", "raw_path", "expected"),
    [
        pytest.param("api.test", "POST", b"/v1/x", ["header:X-Job", "header:X-Post"], id="both groups"),
        pytest.param("api.test", "GET", b"/v1/x", ["header:X-Job"], id="first group"),
        pytest.param("b.test", "POST", b"/v1/x", ["header:X-Post"], id="second group"),
        pytest.param("b.test", "POST", b"/v2", [], id="another path"),
        pytest.param("b.test", "POST", b"//v1/x", ["header:X-Post"], id="an ambiguous path is recorded"),
        pytest.param("other", "POST", b"/v1/x", [], id="another host"),
        pytest.param("api.test", "CONNECT", b"", ["header:X-Job"], id="a tunnel"),
    ],
)
async def test_each_group_follows_its_own_rules(host: str, method: str, raw_path: bytes, expected: list[str]) -> None:
    exchange = exchange_with((b"X-Job", b"j"), (b"X-Post", b"p"), host=host, method=method, raw_path=raw_path)

    await transform_of(TWO_GROUPS).on_request(exchange)

    assert sorted(exchange.notes) == expected


async def test_nothing_is_changed() -> None:
    exchange = exchange_with((b"X-Job", b"caf\xe9"), (b"Cookie", b"c"))

    await transform_of(TWO_GROUPS).on_request(exchange)

    assert exchange.request.headers.pairs == [(b"X-Job", b"caf\xe9"), (b"Cookie", b"c")]
    assert exchange.notes == {"header:X-Job": "caf\ufffd"}


def test_it_sees_tunnels() -> None:
    assert transform_of(TWO_GROUPS).scopes == {Scope.TUNNEL, Scope.REQUEST}


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        pytest.param("{}", "annotations: at least one annotation group is required", id="no groups"),
        pytest.param("annotations: [{headers: [a]}]", "annotations[0]: at least one rule is required", id="no rule"),
        pytest.param(
            "annotations: [{rules: [{host: a}]}]", "annotations[0]: at least one header is required", id="no header"
        ),
        pytest.param(
            "annotations: [{rules: [{}], headers: [a]}]",
            "annotations[0].rules[0]: one of host or cidr is required",
            id="a bad rule",
        ),
        pytest.param(
            "annotations: [{rules: [{host: a}], headers: ['a b']}]",
            'annotations[0].headers[0]: "a b" is not a header name',
            id="a bad name",
        ),
        pytest.param(
            "annotations: [{rules: [{host: a}], header: [a]}]",
            'annotations[0].header: unknown key (did you mean "headers"?)',
            id="unknown key",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(yaml: str, problem: str) -> None:
    section = parse_config(yaml, "test.yaml")

    build(section, CONTEXT)

    assert f"test.yaml:1: {problem}" in section.problems.errors


def test_a_bad_rule_is_not_also_a_missing_one() -> None:
    section = parse_config("annotations: [{rules: [{}], headers: [a]}]", "test.yaml")

    build(section, CONTEXT)

    assert len(section.problems.errors) == 1
