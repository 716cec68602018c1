import ssl

import pytest

from iron_proxy.selftest.place import Place
from iron_proxy.selftest.trial import Refused, Trial

RUN = "0123456789abcdef"


@pytest.fixture
def trial() -> Trial:
    return Trial(Place(RUN), "direct-tcp")


def test_each_attempt_has_a_token_of_its_own(trial: Trial) -> None:
    tokens: list[bytes] = []
    for _ in range(2):
        trial.attempt("x", lambda token: tokens.append(token) or b"")  # type: ignore[func-returns-value]  # for its effect

    assert tokens == [f"ipst-{RUN}-direct-tcp-{number}-end".encode() for number in (1, 2)]


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (TimeoutError("timed out"), "no answer"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (Refused("the tunnel was refused with 403"), "the tunnel was refused with 403"),
        (ssl.SSLError("odd"), "TLS failed: no reason given"),
        (OSError(), "oserror"),
    ],
)
def test_an_attempt_that_fails_is_a_note(trial: Trial, error: OSError, note: str) -> None:
    def fail(token: bytes) -> bytes:
        raise error

    assert trial.attempt("it", fail) == b""
    assert trial.notes == [f"it: {note}"]
    assert trial.received == []


@pytest.mark.parametrize(
    ("answer", "note"),
    [(b"", "nothing came back"), (b"HTTP/1.1 403 Forbidden\r\n", "status 403"), (b"abc", "3 bytes came back")],
)
def test_an_answer_is_kept_and_described(trial: Trial, answer: bytes, note: str) -> None:
    assert trial.attempt("it", lambda token: answer) == answer
    assert (trial.notes, trial.received) == ([f"it: {note}"], [answer])


def test_proofs_and_obstacles_are_kept(trial: Trial) -> None:
    trial.prove("it answered")
    trial.cannot("no network")

    assert (trial.proofs, trial.obstacle) == (["it answered"], "no network")
