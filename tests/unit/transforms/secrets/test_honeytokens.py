"""Honeytokens are read, and their use is refused, logged and counted; nothing shows their text."""

import logging

import pytest
from tests.unit.transforms.secrets.building import exchange_of, transform_from

from iron_proxy.errors import ConfigError
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.transforms.secrets.honeytokens import Honeytoken, Honeytokens
from iron_proxy.transforms.secrets.sightings import Sighting
from iron_proxy.transforms.secrets.transform import SecretsTransform

BACKUP = Honeytoken("backup key", b"AKIA-PLANTED-1")
PROMPT = Honeytoken("prompt", b"AKIA-PLANTED-2")


def built(yaml: str) -> Honeytokens:
    transform = transform_from(yaml)
    assert isinstance(transform, SecretsTransform)
    return transform.tripwires.honeytokens


def test_they_are_texts_or_have_names() -> None:
    honeytokens = built("honeytokens: [AKIA-PLANTED-1, {name: prompt, value: AKIA-PLANTED-2}, {value: 12345678}]")

    assert honeytokens.values == {b"AKIA-PLANTED-1", b"AKIA-PLANTED-2", b"12345678"}
    assert honeytokens.uses == {"honeytokens[0]": 0, "prompt": 0, "honeytokens[2]": 0}


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("honeytokens: AKIA-PLANTED-1", "honeytokens: must be a list of strings or mappings"),
        ("honeytokens: [[]]", "honeytokens[0]: must be a string or a mapping"),
        ("honeytokens: [short12]", "honeytokens[0]: must have at least 8 characters"),
        ("honeytokens: [{name: a}]", "honeytokens[0].value: is required"),
        ("honeytokens: [{nam: a, value: long-enough}]", "honeytokens[0].nam: unknown key"),
        ("honeytokens: [long-enough, long-enough]", "honeytokens[1]: has the name or the value of another honeytoken"),
        ("honeytokens: [{name: a, value: 12345678}, {name: a, value: 87654321}]", "honeytokens[1]: has the name"),
        (
            "{honeytokens: [proxy-tk], secrets: [{source: {type: env, var: A}, replace: {proxy_value: proxy-tk}}]}",
            "honeytokens: a honeytoken is the proxy_value of an entry",
        ),
    ],
)
def test_what_cannot_be_one_is_a_problem_with_its_place(yaml: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        built(yaml)

    assert problem in str(raised.value)
    assert "long-enough" not in str(raised.value)


def test_a_use_is_annotated_and_counted() -> None:
    honeytokens, exchange = Honeytokens([BACKUP, PROMPT]), exchange_of()
    seen = [Sighting(BACKUP.value, "path"), Sighting(b"proxy-token", "body"), Sighting(BACKUP.value, "header:A")]

    verdict = honeytokens.report(exchange, seen)

    assert verdict == Reject('honeytoken "backup key" was used')
    assert honeytokens.uses == {"backup key": 1, "prompt": 0}
    assert exchange.notes == {
        "honeytoken": [{"name": "backup key", "locations": ["path", "header:A"]}],
        "reject_reason": "honeytoken",
    }


def test_a_use_is_logged_as_an_error_without_the_value(caplog: pytest.LogCaptureFixture) -> None:
    exchange = exchange_of(host="evil.test")
    exchange.client, exchange.request.client_name = "10.0.0.1:5", "worker"

    Honeytokens([BACKUP]).report(exchange, [Sighting(BACKUP.value, "path")])

    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "honeytoken used")
    assert record.__dict__["fields"] == {
        "name": "backup key", "client": "10.0.0.1:5", "host": "evil.test", "client_name": "worker",
    }  # fmt: skip


def test_a_host_name_that_holds_one_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    Honeytokens([BACKUP]).report(exchange_of(host="akia-planted-1.evil.test"), [Sighting(BACKUP.value, "host")])

    assert caplog.records[0].__dict__["fields"]["host"] == "(holds the honeytoken)"


def test_without_one_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    exchange = exchange_of()

    assert Honeytokens([BACKUP]).report(exchange, [Sighting(b"proxy-token", "body")]) is None
    assert exchange.notes == {}
    assert caplog.records == []


def test_one_does_not_print_its_value() -> None:
    assert repr(BACKUP) == str(BACKUP) == "<Honeytoken backup key>"


def test_in_a_rehearsal_a_use_is_neither_counted_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    honeytokens = Honeytokens([BACKUP], is_rehearsal=True)

    verdict = honeytokens.report(exchange_of(), [Sighting(BACKUP.value, "path")])

    assert verdict == Reject('honeytoken "backup key" was used')
    assert (honeytokens.uses, caplog.records, honeytokens.all) == ({"backup key": 0}, [], (BACKUP,))
