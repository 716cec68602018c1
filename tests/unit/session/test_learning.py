from collections import Counter

from tests.unit.session.test_tally import denied, event, request

from iron_proxy.messages.authority import Target
from iron_proxy.session.learning import MAX_PATH_LENGTH, MAX_PATHS, LearnedRequests, Seen

A = Target("a.test", 443)


def test_what_was_let_through_is_counted_by_rule_and_path() -> None:
    learned = LearnedRequests()
    for record in (
        request(),
        request(path="/x"),
        request(path="/x", action="client_cancel"),
        request(method="POST"),
        request("a.test:8080", sni=""),
        request("b.test:8443", method="", path="", sni="b.test", mode="passthrough"),
    ):
        learned.take(record)

    assert learned.paths == {
        Seen(A, "https", "GET"): Counter({"/x": 2, "/": 1}),
        Seen(A, "https", "POST"): Counter({"/": 1}),
        Seen(Target("a.test", 8080), "http", "GET"): Counter({"/": 1}),
        Seen(Target("b.test", 8443), "https", ""): Counter({"": 1}),
    }


def test_what_was_not_let_through_is_not_learned() -> None:
    learned = LearnedRequests()
    for record in (denied(), request(action="error"), request(method="CONNECT"), event("dns", host="a.test")):
        learned.take(record)

    assert learned.paths == {}


def test_paths_that_no_rule_can_name_are_counted_apart() -> None:
    learned = LearnedRequests()
    learned.take(request(ambiguous_path=True))
    learned.take(request(method="OPTIONS", path="*"))

    assert learned.paths == {Seen(A, "https", "GET"): Counter(), Seen(A, "https", "OPTIONS"): Counter()}
    assert set(learned.unnamed.values()) == {1}


def test_a_method_that_a_rule_takes_for_any_is_left_out() -> None:
    learned = LearnedRequests()
    learned.take(request(method="*"))

    assert (learned.paths, learned.omitted) == ({}, 1)


def test_a_path_that_is_too_long_for_a_pattern_is_not_named() -> None:
    learned = LearnedRequests()
    learned.take(request(path="/" + "*" * MAX_PATH_LENGTH))

    assert learned.paths == {Seen(A, "https", "GET"): Counter()}
    assert learned.unnamed.total() == 1


def test_a_program_that_invents_hosts_does_not_fill_the_memory() -> None:
    learned = LearnedRequests()
    for number in range(MAX_PATHS + 7):
        learned.take(request(f"{number}.test", method="OPTIONS", path="*"))
    learned.take(request("0.test", method="OPTIONS", path="*"))

    assert len(learned.paths) == len(learned.unnamed) == MAX_PATHS
    assert learned.omitted == 7


def test_a_program_that_invents_paths_does_not_fill_the_memory() -> None:
    learned = LearnedRequests()
    for number in range(MAX_PATHS + 7):
        learned.take(request(f"{number % 10}.test", path=f"/{number}"))
    learned.take(request("0.test", path="/0"))

    assert sum(len(paths) for paths in learned.paths.values()) == MAX_PATHS
    assert learned.omitted == 7
