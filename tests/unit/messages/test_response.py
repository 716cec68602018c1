import pytest

from iron_proxy.messages.response import Response, plain_text, rejection


@pytest.mark.parametrize(
    ("status", "reason"), [(200, b"OK"), (404, b"Not Found"), (299, b"")], ids=["200", "404", "unknown"]
)
def test_a_status_brings_its_reason_phrase(status: int, reason: bytes) -> None:
    assert Response(status).reason == reason


def test_an_upstreams_own_reason_phrase_is_kept() -> None:
    assert Response(200, reason=b"Fine").reason == b"Fine"
    assert Response(200, reason=b"").reason == b""


async def test_a_rejection_is_an_empty_text() -> None:
    response = rejection()

    assert response.status == 403
    assert response.headers.pairs == [(b"Content-Type", b"text/plain")]
    assert response.body.length == 0
    assert await response.body.read() == b""


async def test_an_error_answer_is_a_line_of_text_that_is_never_sniffed() -> None:
    response = plain_text(502, "bad gateway")

    assert response.status == 502
    assert response.headers.pairs == [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"X-Content-Type-Options", b"nosniff"),
    ]
    assert await response.body.read() == b"bad gateway\n"


def test_two_rejections_share_nothing() -> None:
    rejection().headers.set(b"X-Changed", b"1")

    assert rejection().headers.get(b"x-changed") is None


def test_the_repr_has_the_status_only() -> None:
    assert repr(Response(403)) == "<Response 403>"
