"""A Secret gives its text to whoever calls `reveal`, and to nobody else."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest
from tests.fakes.secret_source import FakeSource

from iron_proxy.secret_sources.known_values import KNOWN_VALUES
from iron_proxy.secret_sources.source import Secret, Source, close_source, holds_line_breaks

VALUE = "sk-canary-71c0"
SECRET = Secret("OPENAI_API_KEY", VALUE)


def test_reveal_gives_the_text() -> None:
    assert SECRET.reveal() == VALUE


@pytest.mark.parametrize(
    "render",
    [
        repr,
        str,
        lambda secret: f"{secret}",
        lambda secret: f"{secret:>80}",
        lambda secret: "{} {!r}".format(*[secret] * 2),
    ],
    ids=["repr", "str", "format", "format with a width", "str.format"],
)
def test_no_way_of_printing_shows_the_value(render: Callable[[Secret], str]) -> None:
    text = render(SECRET)

    assert VALUE not in text
    assert "OPENAI_API_KEY" in text


@pytest.mark.parametrize(
    "leak",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        msgspec.json.encode,
        hash,
        dict,
        list,
        bytes,
        lambda secret: secret == VALUE,
        lambda secret: secret != Secret("OPENAI_API_KEY", VALUE),
        lambda secret: secret in [VALUE],
        lambda secret: secret.__getstate__(),
        lambda secret: secret + "",
    ],
    ids=[
        "pickle",
        "copy",
        "deepcopy",
        "json",
        "msgspec",
        "hash",
        "dict",
        "list",
        "bytes",
        "==",
        "!=",
        "in",
        "state",
        "+",
    ],
)
def test_a_secret_refuses_to_be(leak: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as refused:
        leak(SECRET)

    assert VALUE not in "".join(traceback.format_exception(refused.value))


def test_a_secret_keeps_no_attribute_dictionary() -> None:
    assert not hasattr(SECRET, "__dict__")


def test_a_logged_secret_shows_its_name_only(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("iron_proxy.test").warning("swapped %s", SECRET)

    assert caplog.messages == ["swapped <Secret OPENAI_API_KEY>"]


async def test_the_fake_yields_its_values_in_turn() -> None:
    source: Source = FakeSource("K", "one", "two")

    assert [(await source.get()).reveal() for _ in range(3)] == ["one", "two", "two"]
    assert await source.get() is await source.get()


@pytest.mark.parametrize(
    ("value", "is_so"), [("a\nb", True), ("a\r", True), ("\0", True), ("a\tb é", False), ("", False)]
)
def test_line_breaks_and_nul_are_what_headers_cannot_hold(value: str, is_so: bool) -> None:
    assert holds_line_breaks(value) is is_so


async def test_only_a_source_that_can_be_closed_is() -> None:
    await close_source(None)
    await close_source(FakeSource("K", "one"))


def test_a_secret_is_known_to_the_last_wall_from_the_start() -> None:
    secret = Secret("NAME", "sk-canary-last-wall-0001")

    masked, names = KNOWN_VALUES.mask(b'{"path":"/sk-canary-last-wall-0001"}')

    assert (masked, names) == (b'{"path":"/[masked:NAME]"}', (secret.name,))
