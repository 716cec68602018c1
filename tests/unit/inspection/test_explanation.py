"""An explanation says what the engine does, and shows no secret."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fakes.resolver import FakeResolver
from tests.fakes.transforms import FakeAllowlist, FakeTransform
from tests.unit.inspection.policies import PLAIN, pipeline_of

from iron_proxy.errors import SecretUnavailable
from iron_proxy.inspection.explanation import Explanation, Setting, explain
from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.verdict import CONTINUE, Stub, Verdict
from iron_proxy.upstream.deny_list import DenyList

CANARY = "sk-canary-0123456789"
POLICY = PLAIN + """\
clients: [{name: ci, cidrs: [10.0.0.0/8]}]
transforms:
  - name: allowlist
    config:
      domains: ["a.test"]
      cidrs: ["127.0.0.0/8"]
      rules:
        - {host: b.test, methods: [GET], paths: ["/v1/*"]}
        - {host: c.test, clients: [ci]}
        - {host: "*.d.test", ports: [443]}
  - name: secrets
    config:
      honeytokens: ["honey-token-1"]
      secrets:
        - source: {type: env, var: KEY}
          replace: {proxy_value: proxy-token-1, match_query: true, match_body: true, require: true}
          rules: [{host: a.test}]
        - name: "odd name\\u00e9"
          source: {type: env, var: OTHER}
          inject: {header: X-Key, formatter: "Bearer {{ .Value }}"}
          rules: [{host: b.test}]
"""


LOOPBACK = ip_network("127.0.0.0/8")
NAMES = {"c.test": ["169.254.169.254"], "e.d.test": ["192.0.2.1", "::1"]}


class Watched(dict[str, str]):
    """An environment that notes who looks for what."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.asked: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.append(name)
        return super().get(name, default)


async def asked(folder: Path, *question: Any, **changes: Any) -> Explanation:
    return await explain(pipeline_of(POLICY, folder), *question, **changes)


async def test_an_allowed_request_is_told_from_rule_to_bytes(tmp_path: Path) -> None:
    answer = await asked(
        tmp_path, "POST", "https://a.test/x?k=proxy-token-1", [("Authorization", "Bearer proxy-token-1")], "ci",
        b"k=proxy-token-1",
    )  # fmt: skip

    assert (answer.verdict, answer.status, answer.tls) == ("allowed", None, "terminated")
    assert answer.rule is not None
    assert (answer.rule.text, answer.rule.place, answer.rule.line) == ("a.test", "domains[0]", 8)
    assert [(use.secret, use.how, use.locations) for use in answer.secrets] == [
        ("KEY", "swapped", ["header:Authorization", "query:k", "body"])
    ]
    assert answer.sent is not None
    assert answer.sent.start_line == "POST /x?k=%5Bsecret%3AKEY%5D HTTP/1.1"
    assert ("Authorization", "Bearer [secret:KEY]") in answer.sent.fields
    assert answer.sent.body == "k=[secret:KEY]"
    assert [trace["name"] for trace in answer.transforms] == ["allowlist", "secrets"]
    assert not any("duration_ms" in trace for trace in answer.transforms)


async def test_an_injected_secret_is_named_whatever_its_name(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "https://b.test/v1/x")

    assert answer.sent is not None
    assert ("X-Key", "Bearer [secret:odd_name_]") in answer.sent.fields
    assert (answer.rule.place if answer.rule else "") == "rules[0]"


@pytest.mark.parametrize(
    ("question", "code", "hint"),
    [
        (
            ("GET", "https://x.test/p?q"), "host_not_allowed",
            '- {"host": "x.test", "methods": ["GET"], "paths": ["/p"]}',
        ),
        (
            ("PUT", "https://b.test/v1/x"), "method_or_path_not_allowed",
            '- {"host": "b.test", "methods": ["PUT"], "paths": ["/v1/x"]}',
        ),
        (
            ("GET", "https://e.d.test:8443/", (), "ci"), "port_not_allowed",
            '- {"host": "e.d.test", "methods": ["GET"], "paths": ["/"], "ports": [8443], "clients": ["ci"]}',
        ),
        (("CONNECT", "e.d.test:22"), "port_not_allowed", '- {"host": "e.d.test", "ports": [22]}'),
        (("GET", "https://b.test/v1//x"), "ambiguous_path", ""),
    ],
)  # fmt: skip
async def test_a_denial_is_told_with_the_rule_that_would_help(
    tmp_path: Path, question: tuple[Any, ...], code: str, hint: str
) -> None:
    answer = await asked(tmp_path, *question)

    assert (answer.verdict, answer.status, answer.decided_by) == ("denied", 403, "allowlist")
    assert (answer.code, answer.hint, answer.sent) == (code, hint, None)


async def test_a_request_that_is_no_request_is_denied_with_its_status(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "https://a.test/x/../y")

    assert (answer.verdict, answer.status, answer.reason) == ("denied", 400, "path contains dot segments")


async def test_another_transforms_refusal_has_no_hint(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "https://a.test/")

    assert (answer.decided_by, answer.reason) == ("secrets", 'secret "KEY": the required proxy token is missing')
    assert (answer.code, answer.hint) == ("", "")


async def test_no_source_is_asked_and_no_honeytoken_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environment = Watched(KEY=CANARY, OTHER=CANARY)
    live = pipeline_of(POLICY, tmp_path, environment)
    secrets: Any = live.transforms[1]
    environment.asked.clear()
    caplog.clear()

    await explain(live, "GET", "https://b.test/v1/x")
    answer = await explain(live, "GET", "https://b.test/v1/x", [("X", "honey-token-1")])

    assert answer.reason == 'honeytoken "honeytokens[0]" was used'
    assert set(secrets.tripwires.honeytokens.uses.values()) == {0}
    assert (environment.asked, caplog.records) == ([], [])


async def test_a_real_value_is_nowhere_in_an_explanation(tmp_path: Path) -> None:
    live = pipeline_of(POLICY, tmp_path, {"KEY": CANARY, "OTHER": CANARY})
    secrets: Any = live.transforms[1]
    for entry in secrets.entries:
        await entry.source.get()

    answers = [
        await explain(live, "POST", "https://a.test/?k=proxy-token-1", [("X", "proxy-token-1")], "", b"proxy-token-1"),
        await explain(live, "GET", "https://b.test/v1/x"),
    ]

    assert [answer.verdict for answer in answers] == ["allowed", "allowed"]
    assert CANARY.encode() not in msgspec.json.encode(answers)


# --- what decides beside the pipeline -------------------------------------------------------------------------------


async def test_passed_through_tls_is_decided_on_by_host_and_port(tmp_path: Path) -> None:
    setting = Setting(passes_through=lambda host: host in ("a.test", "b.test"))

    passed = await asked(tmp_path, "GET", "https://a.test/x", setting=setting)
    refused = await asked(tmp_path, "GET", "https://b.test/v1/x", setting=setting)
    plain = await asked(tmp_path, "GET", "http://b.test/v1/x", setting=setting)

    assert (passed.verdict, passed.tls, passed.sent, passed.secrets) == ("allowed", "passed through", None, [])
    assert (refused.verdict, refused.hint) == ("denied", '- {"host": "b.test"}')
    assert plain.tls == ""


async def test_a_client_that_is_none_is_refused_where_one_is_required(tmp_path: Path) -> None:
    setting = Setting(require_client=True)

    unknown = await asked(tmp_path, "GET", "https://c.test/", setting=setting)
    known = await asked(tmp_path, "GET", "https://c.test/", (), "ci", setting=setting)

    assert (unknown.verdict, unknown.status) == ("denied", 403)
    assert known.verdict == "allowed"


async def test_a_literal_address_is_judged_without_a_resolver(tmp_path: Path) -> None:
    exempt = await asked(tmp_path, "GET", "http://127.0.0.1/", setting=Setting(DenyList()))
    denied = await asked(tmp_path, "GET", "http://127.0.0.1/", setting=Setting(DenyList([LOOPBACK])))

    assert (exempt.verdict, [each.denied_by for each in exempt.addresses]) == ("allowed", [None])
    assert (denied.verdict, denied.status, denied.code) == ("denied", 502, "address_denied")
    assert (denied.addresses[0].denied_by, denied.sent) == ("127.0.0.0/8", None)


async def test_a_name_is_resolved_only_with_a_resolver(tmp_path: Path) -> None:
    setting = Setting(DenyList(), resolve=FakeResolver(NAMES).resolve)

    inside = await asked(tmp_path, "GET", "https://c.test/", (), "ci", setting=setting)
    mixed = await asked(tmp_path, "GET", "https://e.d.test/", setting=setting)
    unknown = await asked(tmp_path, "GET", "https://f.d.test/", setting=setting)
    unasked = await asked(tmp_path, "GET", "https://e.d.test/", setting=Setting(DenyList()))

    assert (inside.verdict, inside.decided_by) == ("denied", "the deny list")
    assert (mixed.verdict, [each.denied_by for each in mixed.addresses]) == ("allowed", [None, "::1/128"])
    assert (unknown.verdict, unknown.status) == ("failed", 502)
    assert "resolved when it is dialled" in " ".join(unasked.notes)


# --- transforms from outside ----------------------------------------------------------------------------------------


class Foreign(FakeTransform):
    is_foreign = True


async def test_what_a_transform_from_outside_does_is_told_but_not_shown() -> None:
    def sign(exchange: Exchange) -> Verdict:
        exchange.request.headers.set(b"X-Signature", CANARY.encode())
        return CONTINUE

    answer = await explain(Pipeline([FakeAllowlist("a.test"), Foreign("signer", sign)]), "GET", "https://a.test/")

    assert answer.verdict == "allowed"
    assert "signer comes from outside" in " ".join(answer.notes)
    assert CANARY.encode() not in msgspec.json.encode(answer)


async def test_a_transform_that_fails_or_answers_is_told() -> None:
    def fail(exchange: Exchange) -> Verdict:
        raise SecretUnavailable("no value")

    stub = Stub(plain_text(200, "hello"))
    failed = await explain(Pipeline([FakeTransform("x", fail)]), "GET", "https://a.test/")
    answered = await explain(Pipeline([FakeTransform("x", lambda exchange: stub)]), "GET", "https://a.test/")

    assert (failed.verdict, failed.status, failed.transforms[0]["error"]) == ("failed", 502, "no value")
    assert (answered.verdict, answered.status, answered.decided_by) == ("answered", 200, "x")
