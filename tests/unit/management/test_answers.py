"""Answers end with a line break, and nobody keeps them."""

from iron_proxy.management.answers import error_answer, json_answer


def test_an_answer_is_one_line_that_nobody_keeps() -> None:
    answer = json_answer({"a": [1]}, 200, {"X-More": "1"})

    assert answer.body == b'{"a":[1]}\n'
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    assert answer.headers["x-more"] == "1"


def test_an_error_is_one_sentence() -> None:
    answer = error_answer(401, "unauthorized")

    assert (answer.status_code, answer.body) == (401, b'{"error":"unauthorized"}\n')
