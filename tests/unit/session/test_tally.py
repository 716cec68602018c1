from typing import Any

from iron_proxy.audit.record import EventRecord, RequestRecord
from iron_proxy.session.tally import MAX_HOSTS, OTHER_HOSTS, Tally, printable


def request(host: str = "a.test", action: str = "allow", **fields: Any) -> RequestRecord:
    values = {
        "time": "", "level": "INFO", "request_id": "1", "host": host, "method": "GET", "path": "/", "action": action,
        "status_code": 200, "duration_ms": 0.0, "remote_addr": "", "sni": host, "request_transforms": [],
        "response_transforms": [],
    }  # fmt: skip
    return RequestRecord(**{**values, **fields})


def denied(host: str = "a.test", **fields: Any) -> RequestRecord:
    return request(host, "reject", **{"rejected_by": "allowlist", "reason": "no rule matches the host", **fields})


def event(name: str, **fields: Any) -> EventRecord:
    return EventRecord(**{"time": "", "level": "WARN", "event": name, "action": "reject", **fields})


def test_requests_are_counted_by_host_and_action() -> None:
    tally = Tally()
    for record in (
        request(),
        request(action="client_cancel"),
        denied(),
        request(action="error", error="gone"),
        request("b.test"),
    ):
        tally.take(record)

    counts = tally.hosts["a.test"]
    assert (counts.allowed, counts.denied, counts.failed) == (2, 1, 1)
    assert tally.hosts["b.test"].allowed == 1
    assert tally.failures == {("a.test", "gone"): 1}


def test_the_opening_of_a_tunnel_counts_only_when_it_is_denied() -> None:
    tally = Tally()
    tally.take(request("a.test:443", method="CONNECT", path=""))
    tally.take(denied("b.test:443", method="CONNECT", path=""))

    assert tally.hosts.keys() == {"b.test:443"}
    (denial,) = tally.denials.values()
    assert (denial.method, denial.path) == ("", "")


def test_secrets_are_counted_from_the_traces() -> None:
    traces = [
        {"name": "allowlist"},
        {
            "name": "secrets",
            "annotations": {"swapped": [{"secret": "A"}, {"secret": "B"}], "injected": [{"secret": "C"}]},
        },
        {"name": "secrets", "annotations": {"token_misuse": [{"secret": "D"}]}},
    ]
    tally = Tally()
    tally.take(request(request_transforms=traces))
    tally.take(request(request_transforms=traces[:2]))

    assert tally.hosts["a.test"].secrets == {"A": 2, "B": 2, "C": 2}


def test_denials_for_one_reason_are_one_with_a_count() -> None:
    tally = Tally()
    for record in (denied(path="/1"), denied(path="/2"), denied(reason="the request is malformed", rejected_by=None)):
        tally.take(record)

    first, second = tally.denials.values()
    assert (first.path, first.is_by_policy, tally.denied_counts["a.test", first.reason]) == ("/1", True, 2)
    assert not second.is_by_policy


def test_refused_names_and_failed_handshakes_are_counted() -> None:
    tally = Tally()
    for record in (
        event("dns", host="x.test"),
        event("dns", host="y.test", action="allow"),
        event("handshake", reason="the client's TLS handshake failed: unknown ca"),
        event("connection", reason="a flood"),
    ):
        tally.take(record)

    assert tally.refused_names == {"x.test": 1}
    assert tally.handshakes == {"the client's TLS handshake failed: unknown ca": 1}


def test_a_program_that_invents_hosts_does_not_fill_the_memory() -> None:
    tally = Tally()
    for number in range(MAX_HOSTS + 500):
        tally.take(denied(f"{number}.test", sni=""))
        tally.take(request(f"{number}.test", "error", error=f"{number}"))
        tally.take(event("dns", host=f"{number}.test"))
        tally.take(event("handshake", reason=f"{number}"))

    assert len(tally.hosts) == MAX_HOSTS + 1
    assert tally.hosts[OTHER_HOSTS].denied == 500
    assert {len(each) for each in (tally.denials, tally.failures, tally.refused_names, tally.handshakes)} == {MAX_HOSTS}


def test_nothing_that_a_client_sent_reaches_a_terminal_as_it_is() -> None:
    tally = Tally()
    tally.take(denied("\x1b]0;evil\x07.test"))

    assert list(tally.hosts) == ["?]0;evil?.test"]
    assert len(printable("x" * 5000)) < 300
