import pytest
from tests.unit.learning.judges import SILENT, allowing, judge_for

from iron_proxy.learning.judge import made_up_request
from iron_proxy.learning.questions import OPENING, PASSED_THROUGH, Question, Verdict
from iron_proxy.messages.authority import Target

PEER = "192.0.2.1:1000"
OK = Target("ok.test", 443)
GET = Question(OK, "https", "GET", "/v1/x")
OPEN = Question(OK, "tunnel", OPENING, "")
PASSED = Question(OK, "https", PASSED_THROUGH, "")
CLIENTS = "clients: [{name: ci, cidrs: [192.0.2.0/24]}, {name: other, cidrs: [10.0.0.0/8]}]\n"


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        (GET, Verdict.ALLOWED),
        (GET._replace(method="POST"), Verdict.DENIED),
        (GET._replace(path="/v2"), Verdict.DENIED),
        (GET._replace(is_ambiguous=True), Verdict.DENIED),
        (GET._replace(target=Target("ok.test", 8443)), Verdict.DENIED),
        (OPEN, Verdict.ALLOWED),
        (OPEN._replace(target=Target("ok.test", 22)), Verdict.DENIED),
        (OPEN._replace(target=Target("other.test", 443)), Verdict.DENIED),
    ],
)
async def test_the_engine_decides(question: Question, verdict: Verdict) -> None:
    judge = judge_for(allowing("{host: ok.test, methods: [GET], paths: [/v1/*], ports: [443]}"))

    assert (await judge.judge(question, PEER)).verdict is verdict


async def test_a_judgement_names_the_rule_or_the_reason() -> None:
    judge = judge_for(allowing("{host: ok.test}"))

    assert (await judge.judge(GET, PEER)).why == "rules[0] (ok.test)"
    assert (await judge.judge(GET._replace(target=Target("x.test", 443)), PEER)).why == "no rule matches the host"


async def test_a_rule_of_thousands_of_paths_is_named_in_short() -> None:
    paths = ", ".join(f"/{number}" for number in range(1000))
    judge = judge_for(allowing(f"{{host: ok.test, paths: [{paths}]}}"))

    assert len((await judge.judge(GET._replace(path="/999"), PEER)).why) < 250


async def test_a_warning_lets_through() -> None:
    judge = judge_for(allowing("{host: other.test}", warn="true"))

    assert (await judge.judge(GET, PEER)).verdict is Verdict.WARNED


async def test_without_an_allowlist_the_default_decides() -> None:
    assert (await judge_for("").judge(GET, PEER)).verdict is Verdict.DENIED

    permissive = 'dns: {enabled: false}\nproxy: {https_listen: "off", default_action: allow}\n'
    assert (await judge_for("", permissive).judge(GET, PEER)).verdict is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("client", "peer", "verdict"),
    [
        ("ci", "8.8.8.8:1", Verdict.ALLOWED),
        ("", PEER, Verdict.ALLOWED),               # the record does not say: the address does
        ("unheard-of", PEER, Verdict.ALLOWED),     # another configuration's name
        ("other", PEER, Verdict.DENIED),           # the record knows better than the address
        ("", "8.8.8.8:1", Verdict.DENIED),
        ("", "", Verdict.DENIED),
    ],
)
async def test_a_client_is_known_by_its_name_or_else_its_address(client: str, peer: str, verdict: Verdict) -> None:
    judge = judge_for(CLIENTS + allowing("{host: ok.test, clients: [ci]}"))

    assert (await judge.judge(GET._replace(client=client), peer)).verdict is verdict


async def test_clients_that_are_none_may_be_refused_altogether() -> None:
    before = 'dns: {enabled: false}\nproxy: {https_listen: "off", require_client: true}\n'
    judge = judge_for(CLIENTS + allowing("{host: ok.test}"), before)

    assert (await judge.judge(GET, "8.8.8.8:1")).verdict is Verdict.DENIED
    assert (await judge.judge(GET, PEER)).verdict is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("rule", "verdict"), [("{host: ok.test}", Verdict.ALLOWED), ("{host: ok.test, methods: [GET]}", Verdict.DENIED)]
)
@pytest.mark.parametrize("question", [GET, PASSED])
async def test_tls_that_is_passed_through_is_decided_on_by_its_name(
    question: Question, rule: str, verdict: Verdict
) -> None:
    judge = judge_for("tls: {passthrough: [ok.test]}\n" + allowing(rule))

    assert (await judge.judge(question, PEER)).verdict is verdict


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("{host: ok.test}", Verdict.ALLOWED),
        ("{host: ok.test, methods: [GET]}", Verdict.UNDECIDED),
        ("{host: other.test}", Verdict.DENIED),
    ],
)
async def test_what_nobody_looked_into_cannot_be_judged_by_methods_and_paths(rule: str, verdict: Verdict) -> None:
    assert (await judge_for(allowing(rule)).judge(PASSED, PEER)).verdict is verdict


async def test_a_question_is_decided_once_and_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.learning.judge._MAX_REMEMBERED", 10)
    judge = judge_for(allowing("{host: ok.test}"))

    assert await judge.judge(GET, PEER) is await judge.judge(GET, PEER)
    for number in range(50):
        await judge.judge(GET._replace(path=f"/{number}"), PEER)
    assert len(judge._remembered) <= 10


def test_transforms_that_were_not_asked_are_named() -> None:
    secrets = "  - name: secrets\n    config: {secrets: []}\n"
    judge = judge_for(f"transforms:\n  - name: allowlist\n    config: {{domains: [a.test]}}\n{secrets}", SILENT)

    assert judge.left_out == ["secrets"]


def test_a_request_is_made_up_as_far_as_rules_look_at_it() -> None:
    request = made_up_request(GET._replace(client="ci", is_ambiguous=True))

    assert (request.method, request.path, request.raw_path, request.client_name) == ("GET", "/v1/x", b"/%2f", "ci")
