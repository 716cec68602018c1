"""A denial explains itself to who asks, says nothing about the rest of the policy, and its hint works."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import Served
from tests.fakes.transforms import FakeTransform

from iron_proxy.config.loading import parse_config
from iron_proxy.errors import UpstreamDenied
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request, decoded_path
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.verdict import Reject, Stub
from iron_proxy.proxy.denials import DETAILS, PROBLEM, Denied, asks_for_explanation, explained, rule_hint
from iron_proxy.proxy.snapshot import Snapshot
from iron_proxy.proxy.tunnel_policy import decide_tunnel
from iron_proxy.transforms.allowlist import Allowlist

DENIED = Denied(Target("a.test", 443), "https", "GET", "/x")
ASKING = b"Accept: application/problem+json\r\n"


def told(response: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(response.body.read_nowait())
    return content


def allowing(rules: str) -> Allowlist:
    section = parse_config(f"rules:\n  {rules}", "test")
    return Allowlist([rule for part in section.sections("rules") if (rule := Rule.from_section(part))])


# --- who asks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "asks"),
    [
        (b"application/problem+json", True),
        (b"text/html, Application/Problem+JSON;q=0.5", True),
        (b"application/problem+json ; charset=utf-8; q=0", False),
        (b"application/problem+json;q=0.000", False),
        (b"application/problem+json;q=0.001", True),
        (b"*/*", False),
        (b"application/*", False),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_asking_is_naming_the_type(value: bytes, asks: bool) -> None:
    assert asks_for_explanation([(b"Host", b"a"), (b"aCCept", value)]) is asks


# --- the body -------------------------------------------------------------------------------------------------------


def test_the_long_form_is_a_problem() -> None:
    response = explained(403, "host_not_allowed", DENIED, "r-1")

    assert response.headers.get(b"content-type") == PROBLEM
    assert told(response) == {
        "type": "urn:iron-proxy:denial:host_not_allowed",
        "title": "Denied by the egress policy",
        "status": 403,
        "detail": "No rule of this proxy allows the host.",
        "code": "host_not_allowed",
        "host": "a.test",
        "rule": '- {"host": "a.test", "methods": ["GET"], "paths": ["/x"]}',
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("host_not_allowed", b'iron-proxy; error=http_request_denied; details="host_not_allowed"'),
        ("address_denied", b'iron-proxy; error=destination_ip_prohibited; details="address_denied"'),
    ],
)
def test_the_code_is_in_a_field_too(code: str, field: bytes) -> None:
    assert explained(403, code, DENIED).headers.get(b"proxy-status") == field


def test_a_code_of_somebody_elses_is_not_passed_on() -> None:
    problem = told(explained(403, 'secret "KEY"', DENIED))

    assert (problem["code"], "rule" in problem, "request_id" in problem) == ("denied", False, False)


@pytest.mark.parametrize("code", ["denied", "ambiguous_path", "no_allowlist", "address_denied"])
def test_where_no_rule_would_help_there_is_none(code: str) -> None:
    assert "rule" not in told(explained(403, code, DENIED))


def test_no_rule_for_everybody_is_proposed_to_who_has_no_name() -> None:
    assert "rule" not in told(explained(403, "client_not_allowed", DENIED))
    named = Denied(Target("a.test", 443), "https", "GET", "/x", "ci")
    assert '"clients": ["ci"]' in told(explained(403, "client_not_allowed", named))["rule"]


def test_every_code_of_the_allowlist_has_words() -> None:
    from iron_proxy.transforms.allowlist import _CODES

    assert set(_CODES.values()) <= set(DETAILS)


# --- the hint -------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=40), st.sampled_from(["GET", "PUT", "get", "*", "X-!"]), st.sampled_from([80, 443, 8443]))
def test_a_hint_is_yaml_that_lets_the_request_pass_and_its_neighbours_not(path: bytes, method: str, port: int) -> None:
    raw_path = b"/" + path
    denied = Denied(Target("a.test", port), "https", method, decoded_path(raw_path))
    hint = rule_hint(denied)
    if not hint:
        return
    section = parse_config(f"rules:\n  {hint}", "test")
    [rule] = [Rule.from_section(part) for part in section.sections("rules")]
    assert rule is not None
    assert section.problems.errors == []
    index = RuleIndex([rule])
    request = Request(method.upper(), "https", denied.target, raw_path)

    neighbour = Request(method.upper(), "https", denied.target, raw_path + b"x")
    if index.first_match(request) is None:
        assert index.nearest_miss(request) is Mismatch.AMBIGUOUS_PATH
    assert index.first_match(neighbour) is None


@pytest.mark.parametrize(
    "denied",
    [
        Denied(Target("a.test", 443), "https", "GET", "/\x85"),
        Denied(Target("a.test", 443), "https", "GET", "/\ufffd"),
        Denied(Target("a.test", 443), "https", "GET", "/" + "x" * 600),
        Denied(Target("a.test", 443), "https", "OPTIONS", "*"),
        Denied(Target("a.test", 443), "https", "*", "/"),
    ],
)
def test_what_cannot_be_written_down_without_doubt_has_no_hint(denied: Denied) -> None:
    assert rule_hint(denied) == ""


def test_wildcards_in_a_path_are_escaped() -> None:
    hint = rule_hint(Denied(Target("::1", 80, True), "http", "GET", "/a*[b]?\\"))

    assert YAML(typ="safe").load(hint) == [{"host": "::1", "methods": ["GET"], "paths": ["/a\\*\\[b]\\?\\\\"]}]


# --- on the wire ----------------------------------------------------------------------------------------------------


def get(host: bytes, more: bytes = b"") -> bytes:
    return b"GET /v1?q HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"Connection: close\r\n\r\n"


async def answer(proxy: Served, request: bytes) -> tuple[bytes, bytes]:
    client = proxy.open()
    client.send(request)
    head, _, body = (await client.receive_to_end()).partition(b"\r\n\r\n")
    return head, body


async def test_the_default_stays_empty_and_who_asks_is_told() -> None:
    async with Served(allowing("- {host: a.test}")) as proxy:
        head, body = await answer(proxy, get(b"x.test"))
        assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 403 Forbidden", b"")
        assert b"Content-Type: text/plain" in head

        head, body = await answer(proxy, get(b"x.test", ASKING))
        assert head.startswith(b"HTTP/1.1 403 Forbidden")
        problem = json.loads(body)
        assert (problem["code"], problem["host"]) == ("host_not_allowed", "x.test")
        assert problem["rule"] == '- {"host": "x.test", "methods": ["GET"], "paths": ["/v1"]}'
        assert "a.test" not in body.decode()

        assert [record["status_code"] for record in await proxy.records()] == [403, 403]


async def test_an_answer_to_head_has_no_body() -> None:
    async with Served(allowing("- {host: a.test}")) as proxy:
        _, body = await answer(proxy, get(b"x.test", ASKING).replace(b"GET", b"HEAD"))

        assert body == b""


async def test_everybody_is_told_where_the_configuration_says_so() -> None:
    async with Served() as proxy:
        pipeline = Pipeline([allowing("- {host: a.test, methods: [PUT]}")])
        proxy.services.snapshot = Snapshot(pipeline, explains_denials=True)

        _, body = await answer(proxy, get(b"a.test"))

        assert json.loads(body)["code"] == "method_or_path_not_allowed"


async def test_a_transforms_own_answer_and_its_reason_stay_its_own() -> None:
    own = FakeTransform("x", lambda exchange: Reject("names a secret", plain_text(429, "slow down")))
    silent = FakeTransform("x", lambda exchange: Reject("names a secret"))
    stub = FakeTransform("x", lambda exchange: Stub(plain_text(200, "hello")))

    bodies = []
    for transform in (own, silent, stub):
        async with Served(transform) as proxy:
            bodies.append((await answer(proxy, get(b"a.test", ASKING)))[1])

    assert (bodies[0], bodies[2]) == (b"slow down\n", b"hello\n")
    assert json.loads(bodies[1])["code"] == "denied"
    assert b"secret" not in bodies[1]


async def test_what_a_transform_made_of_the_request_is_not_told() -> None:
    def rewrite(exchange: Any) -> Any:
        exchange.request.target = Target("inside.test", 443)
        exchange.request.set_raw_path(b"/secret")
        return Reject("no", code="host_not_allowed")

    async with Served(FakeTransform("x", rewrite)) as proxy:
        _, body = await answer(proxy, get(b"a.test", ASKING))

    assert json.loads(body)["rule"] == '- {"host": "a.test", "methods": ["GET"], "paths": ["/v1"]}'


async def test_a_denied_address_is_told_without_the_address() -> None:
    async with Served(allowing("- {host: a.test}")) as proxy:
        proxy.dialer.answers += [UpstreamDenied("dial tcp 169.254.169.254:80: denied")] * 2

        head, body = await answer(proxy, get(b"a.test", ASKING))
        assert head.startswith(b"HTTP/1.1 502")
        assert json.loads(body)["code"] == "address_denied"
        assert b"169.254" not in body

        assert (await answer(proxy, get(b"a.test")))[1] == b"bad gateway\n"


async def test_connect_is_told_too() -> None:
    async with Served(allowing("- {host: a.test, ports: [443]}")) as proxy:
        target = Target("a.test", 22)
        asking = Headers([(b"accept", PROBLEM)])

        refused = await decide_tunnel(proxy.connection(MemoryStream()), target, asking)
        silent = await decide_tunnel(proxy.connection(MemoryStream()), target, Headers())

        assert told(refused)["rule"] == '- {"host": "a.test", "ports": [22]}'
        assert isinstance(silent, Response)
        assert silent.body.is_empty
