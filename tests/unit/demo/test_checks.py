from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.demo.demo_runs import good_run

from iron_proxy.demo.checks import find_surprises
from iron_proxy.demo.observation import AuditRecord, DemoRun, Observation, OriginView
from iron_proxy.demo.scenario import INTERNAL_TOKEN, OPENAI_API_KEY

Spoil = Callable[[Observation], None]


def test_there_are_no_surprises_when_all_went_as_it_should() -> None:
    surprises = find_surprises(good_run())

    assert (surprises.sentences, surprises.of_steps, surprises.of_run) == ([], {}, ())


def client(**changes: Any) -> Spoil:
    def spoil(observation: Observation) -> None:
        observation.client = replace(observation.client, **changes)

    return spoil


def origin(*requests: OriginView) -> Spoil:
    def spoil(observation: Observation) -> None:
        observation.origin = list(requests)

    return spoil


def audit(changes: Mapping[str, Any] | None) -> Spoil:
    def spoil(observation: Observation) -> None:
        observation.audit = None if changes is None else {**(observation.audit or {}), **changes}

    return spoil


def tunnel(record: AuditRecord | None) -> Spoil:
    def spoil(observation: Observation) -> None:
        observation.tunnel_audit = record

    return spoil


def arrived(target: str, *headers: tuple[str, str]) -> OriginView:
    return OriginView("GET", target, list(headers))


SECRET, TOKEN = OPENAI_API_KEY.value, OPENAI_API_KEY.token
SPOILT: list[tuple[str, int, Spoil, str]] = [
    ("no answer", 1, client(error="nothing came in time"), "the client got no proper answer: nothing came in time"),
    ("status", 1, client(status=502), "the client saw status 502 where 200 was due"),
    ("blocked but answered", 2, client(status=200), "the client saw status 200 where 403 was due"),
    ("DNS", 1, client(dns_answer=("9.9.9.9",)),
     "the proxy's DNS server answered 9.9.9.9 and not the proxy's own address 127.0.0.1"),
    ("secret at client", 3, client(received=f"x {SECRET}"), "the client saw the real OPENAI_API_KEY"),
    ("echo lost", 3, client(body="{}"), "the client did not read its own proxy token in what the origin sent back"),
    ("no echo", 6, client(messages=()), "the client received nothing where hello was due"),
    ("events cut", 7, client(messages=("one",)), "the client received one where one, two, three was due"),
    ("blocked but reached", 2, origin(arrived("/")), "the origin was reached, although example.com is not allowed"),
    ("not arrived", 1, origin(), "0 requests arrived at the origin where one was due"),
    ("arrived twice", 1, origin(arrived("/get"), arrived("/get")),
     "2 requests arrived at the origin where one was due"),
    ("other target", 1, origin(arrived("/other")), "the origin was asked for /other where /get was due"),
    ("token at origin", 3, origin(arrived("/headers", ("Authorization", f"Bearer {TOKEN}"))),
     "the proxy token of OPENAI_API_KEY reached the origin"),
    ("secret missing", 3, origin(arrived("/headers")), "the real OPENAI_API_KEY did not reach the origin"),
    ("secret elsewhere", 3, origin(arrived("/headers", ("X", SECRET))),
     "the header Authorization is not at the origin as it should be"),
    ("unasked", 1, origin(arrived("/get", ("X", INTERNAL_TOKEN.value))),
     "the real INTERNAL_TOKEN reached the origin, although nobody asked for it"),
    ("no message", 6, origin(arrived("/ws")), "the origin received nothing where hello was due"),
    ("no audit", 1, audit(None), "there is no audit line for it"),
    ("audit action", 2, audit({"action": "allow"}), "its audit line says action 'allow' where 'reject' was due"),
    ("audit status", 1, audit({"status_code": 502}), "its audit line says status_code 502 where 200 was due"),
    ("audit rejecter", 2, audit({"rejected_by": "secrets"}),
     "its audit line says rejected_by 'secrets' where 'allowlist' was due"),
    ("audit swap", 3, audit({"request_transforms": []}),
     "its audit line says swapped: nothing where "
     "OPENAI_API_KEY in header:Authorization was due"),
    ("audit redaction", 3, audit({"response_transforms": []}),
     "its audit line says redacted: nothing where OPENAI_API_KEY in body was due"),
    ("no tunnel audit", 3, tunnel(None), "there is no audit line for the opening of its tunnel"),
    ("tunnel audit", 4, tunnel({"action": "reject"}),
     "the audit line of its tunnel says action 'reject' where 'allow' was due"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "spoil", "sentence"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT]
)
def test_each_difference_is_a_sentence(number: int, spoil: Spoil, sentence: str) -> None:
    run = good_run()
    spoil(run.observations[number - 1])

    surprises = find_surprises(run)

    assert sentence in surprises.of_steps[number]
    assert list(surprises.of_steps) == [number]
    assert f"request {number}: {sentence}" in surprises.sentences


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names_looked_up": ("example.com",)}, "example.com was looked up, although it is not allowed"),
        ({"log": (f"a line with {SECRET} in it",)}, "the real OPENAI_API_KEY is in the proxy's log"),
        ({"exit_status": -9}, "the proxy ended with status -9 when it was asked to stop"),
    ],
    ids=["looked up", "secret in log", "exit status"],
)
def test_the_run_as_a_whole_is_looked_at_too(change: dict[str, Any], sentence: str) -> None:
    run: DemoRun = replace(good_run(), **change)

    assert find_surprises(run).sentences == [sentence]


def test_a_client_without_an_answer_is_not_blamed_for_what_follows_from_it() -> None:
    run = good_run()
    client(error="nothing came in time", status=None, messages=())(run.observations[6])

    assert find_surprises(run).sentences == ["request 7: the client got no proper answer: nothing came in time"]
