"""What a transform notes about an exchange."""

from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange


def exchange() -> Exchange:
    return Exchange(Request("GET", "http", Target("ok.test", 80), b"/"))


def test_notes_are_kept_by_name_and_the_last_one_counts() -> None:
    noted = exchange()

    noted.annotate("model", "a")
    noted.annotate("model", "b")
    noted.annotate("tokens", 3)

    assert noted.notes == {"model": "b", "tokens": 3}


def test_exchanges_share_no_notes() -> None:
    exchange().annotate("model", "a")

    assert exchange().notes == {}
