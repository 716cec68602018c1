import json

import pytest
from tests.unit.session.test_tally import denied, event, request

from iron_proxy.audit.record import Record
from iron_proxy.jail.refused import Refusal
from iron_proxy.session.summary import Ending, as_json, as_lines, flag_for, rule_for
from iron_proxy.session.tally import Tally


def tally_of(*records: Record) -> Tally:
    tally = Tally()
    for record in records:
        tally.take(record)
    return tally


def test_a_run_without_requests_is_one_line() -> None:
    assert as_lines(Tally(), Ending(0, 0.1)) == ["iron-proxy: no requests"]


def test_everything_is_told_in_lines() -> None:
    swapped = [{"name": "secrets", "annotations": {"swapped": [{"secret": "KEY"}]}}]
    tally = tally_of(
        request(request_transforms=swapped),
        denied("b.test:8443"),
        denied("b.test:8443"),
        request("c.test", "error", error="the name does not exist"),
        event("dns", host="d.test"),
        event("handshake", reason="the client's TLS handshake failed: unknown ca"),
    )
    ending = Ending(0, 1.0, refused={Refusal("tcp", "2001:db8::1", 22): 3}, unnamed=2, warnings=("the disk is full",))

    assert as_lines(tally, ending) == [
        "iron-proxy: 1 request allowed, 2 denied, 1 failed, 1 secret put in, 5 connections to other ports refused",
        "  allowed  a.test (1, with KEY)",
        "  denied   b.test:8443 (2): no rule matches the host; to allow it: --allow b.test:8443",
        "  failed   c.test: the name does not exist",
        "  refused  tcp [2001:db8::1]:22 (3)",
        "  refused  2 more, without a name",
        "  no name  d.test (1)",
        "  no TLS   the client's TLS handshake failed: unknown ca (1)",
        "  warning  the disk is full",
    ]


def test_long_lists_are_cut_for_people_and_whole_for_programs() -> None:
    tally = tally_of(*(denied(f"{number}.test") for number in range(50)))

    lines = as_lines(tally, Ending(0, 1.0))

    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  … and 30 more denials: --summary json tells them all"
    assert len(as_json(tally, Ending(0, 1.0))["denied"]) == 50


@pytest.mark.parametrize(
    ("host", "fields", "flag", "rule"),
    [
        ("a.test", {}, "--allow a.test", '- {"host": "a.test", "methods": ["GET"], "paths": ["/"]}'),
        ("a.test", {"sni": ""}, "--allow a.test", '- {"host": "a.test", "methods": ["GET"], "paths": ["/"]}'),
        ("a.test:443", {"method": "CONNECT", "path": "", "sni": ""}, "--allow a.test",
         '- {"host": "a.test", "ports": [443]}'),
        ("[2001:db8::1]", {}, "--allow 2001:db8::1", '- {"host": "2001:db8::1", "methods": ["GET"], "paths": ["/"]}'),
        ("[2001:db8::1]:8443", {"method": "", "path": "", "mode": "passthrough"}, "--allow [2001:db8::1]:8443",
         '- {"host": "2001:db8::1", "ports": [8443]}'),
        ("not a host", {}, "", ""),
        ("a.test", {"rejected_by": "secrets"}, "", ""),
    ],
)  # fmt: skip
def test_a_denial_comes_with_the_flag_and_the_rule_for_it(
    host: str, fields: dict[str, str], flag: str, rule: str
) -> None:
    (denial,) = tally_of(denied(host, **fields)).denials.values()

    assert (flag_for(denial), rule_for(denial)) == (flag, rule)


def test_the_object_has_the_same_keys_in_every_run() -> None:
    full = as_json(
        tally_of(request(), denied(), request(action="error", error="x"), event("dns", host="d.test")),
        Ending(3, 1.23456, refused={Refusal("udp", "192.0.2.1", 443): 1}, notes=("a note",)),
    )
    empty = as_json(Tally(), Ending(0, 0.0))

    assert empty.keys() == full.keys()
    assert json.loads(json.dumps(full)) == full
    assert (full["status"], full["seconds"], full["schema"]) == (3, 1.235, 1)
    assert full["refused"] == {
        "visible": True,
        "total": 1,
        "destinations": [{"protocol": "udp", "address": "192.0.2.1", "port": 443, "count": 1}],
    }
    assert empty["refused"] == {"visible": False, "total": 0, "destinations": []}
