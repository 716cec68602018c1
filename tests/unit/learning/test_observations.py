from tests.fakes.audit_lines import entry_of

from iron_proxy.learning.observations import Group, Observations, questions_of
from iron_proxy.learning.questions import Question
from iron_proxy.messages.authority import Target

OK = Target("ok.test", 443)
GETS = Group(OK, "https", "GET", "")


def test_requests_are_counted_by_path() -> None:
    observations = Observations()
    for path in ("/a", "/a", "/b"):
        observations.take(entry_of(path=path))

    assert observations.asked[GETS].paths == {"/a": 2, "/b": 1}
    assert observations.requests == 3


def test_what_was_denied_stands_apart_unless_it_is_wanted() -> None:
    apart, wanted = Observations(), Observations(include_denied=True)
    for observations in (apart, wanted):
        observations.take(entry_of(action="reject", path="/x"))

    assert (apart.asked, apart.requests, apart.denials) == ({}, 0, 1)
    assert apart.denied[GETS].paths == {"/x": 1}
    assert (wanted.denied, wanted.requests, wanted.denials) == ({}, 1, 1)
    assert wanted.asked[GETS].paths == {"/x": 1}


def test_clients_that_rules_cannot_name_are_everybody() -> None:
    observations = Observations(["known"])
    observations.take(entry_of(client="known"))
    observations.take(entry_of(client="stranger"))

    assert {group.client for group in observations.asked} == {"known", ""}
    assert observations.unnamed_clients == {"stranger"}


def test_paths_that_no_rule_can_name_are_only_counted() -> None:
    observations = Observations()
    observations.take(entry_of(path="/a/b", ambiguous_path=True))
    observations.take(entry_of(method="OPTIONS", path="*"))

    assert [seen.pathless for seen in observations.asked.values()] == [1, 1]


def test_methods_that_no_rule_can_name_are_omitted() -> None:
    observations = Observations()
    observations.take(entry_of(method="*"))
    observations.take(entry_of(method="get"))

    assert (observations.asked, observations.omitted) == ({}, 2)


def test_what_policy_did_not_decide_is_not_learned() -> None:
    observations = Observations()
    observations.take(entry_of(action="error", error="x", request_transforms=[]))
    observations.take(entry_of(host="no host"))

    assert (observations.asked, observations.undecided) == ({}, 2)


def test_beyond_the_limit_shapes_are_kept_and_beyond_that_requests_are_counted() -> None:
    observations = Observations(max_paths=10)
    for number in range(100):
        observations.take(entry_of(path=f"/users/{number}"))
    for number in range(100):
        observations.take(entry_of(path=f"/{'x' * number}"))

    seen = observations.asked[GETS]
    assert len(seen.paths) < 10
    assert seen.shapes[(("users",), ("", ""))] > 90
    assert len(seen.shapes) <= 20
    assert seen.requests + observations.omitted == 200


def test_very_long_paths_are_omitted() -> None:
    observations = Observations()
    observations.take(entry_of(path="/" + "x" * 5000))

    assert observations.omitted == 1


def test_the_questions_can_be_asked_again() -> None:
    observations = Observations()
    observations.take(entry_of(path="/a"))
    observations.take(entry_of(path="/b/c", ambiguous_path=True))
    observations.take(entry_of(host="ok.test:443", method="CONNECT", path="", sni=""))

    assert dict(questions_of(observations.asked)) == {
        Question(OK, "https", "GET", "/a"): 1,
        Question(OK, "https", "GET", "", "", True): 1,
        Question(OK, "tunnel", "CONNECT", ""): 1,
    }


def test_the_times_are_those_of_the_first_and_last_request() -> None:
    observations = Observations()
    for second in (5, 3, 9):
        observations.take(entry_of(time=f"2026-11-25T00:00:0{second}Z"))

    assert (observations.first[-3:], observations.last[-3:]) == ("03Z", "09Z")


def test_a_client_without_a_name_in_the_record_may_be_told_by_its_address() -> None:
    observations = Observations(["ci"], lambda peer: "ci" if peer.startswith("192.0.2.") else "")
    observations.take(entry_of(remote_addr="192.0.2.1:1000"))
    observations.take(entry_of(remote_addr="198.51.100.1:1000"))

    assert {group.client for group in observations.asked} == {"ci", ""}
