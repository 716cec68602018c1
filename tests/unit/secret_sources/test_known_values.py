"""What is secret now is masked in every spelling that a log line may have it in, and nothing else is."""

import base64
import gc
import json
import urllib.parse
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.collector import left_to_the_collector

from iron_proxy.secret_sources import known_values
from iron_proxy.secret_sources.known_values import GRACE, KnownValues

VALUE = 'sk-ré/al+"71c0\\x'


class Owner:
    """Whatever a value belongs to."""

    itself: object = None


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def line_with(text: str) -> bytes:
    return msgspec.json.encode({"msg": "request", "path": f"/before {text} behind"})


def encoded(code: Callable[[bytes], bytes], prefix: bytes) -> str:
    return code(prefix + VALUE.encode() + b"more").decode()


@pytest.mark.parametrize(
    "spelling",
    [
        VALUE,
        json.dumps(VALUE),
        json.dumps(VALUE, ensure_ascii=False),
        VALUE.encode().decode("latin-1"),
        urllib.parse.quote(VALUE, safe=""),
        "sk-r%c3%a9%2fal%2b%2271c0%5cx",
        *(encoded(base64.b64encode, b"x" * size) for size in range(3)),
        *(encoded(base64.urlsafe_b64encode, b"x" * size) for size in range(3)),
    ],
    ids=["plain", "JSON", "JSON in UTF-8", "latin-1", "percent", "small percent", *map(str, range(6))],
)
def test_every_spelling_is_masked(spelling: str) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", VALUE)

    masked, names = known.mask(line_with(spelling))

    assert names == ("KEY",)
    assert "[masked:KEY]" in json.loads(masked)["path"]
    assert "71c0" not in masked.decode()
    assert known.hits == 1


@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_a_line_stays_json_and_holds_the_value_no_longer(value: str, before: str, behind: str) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, 'a "name"', value)
    line = msgspec.json.encode({"field": f"{before}{value}{behind}"})

    masked, names = known.mask(line)

    field = json.loads(masked)["field"] if len(value.strip().encode()) >= 8 else ""
    assert bool(names) == bool(field)
    assert not field or value.strip() not in field.replace('[masked:a "name"]', "\0\1\0")


@pytest.mark.parametrize("text", ["sk-re", "", "sk-other-0123456789"])
def test_what_holds_no_secret_is_the_very_same_text(text: str) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", VALUE)
    line = line_with(text)

    assert known.mask(line) == (line, ())
    assert known.mask(line)[0] is line
    assert known.hits == 0


def test_a_short_value_is_not_sought_for_it_would_be_found_everywhere() -> None:
    known, owner = KnownValues(), Owner()

    known.add(owner, "KEY", "request")

    assert known.mask(line_with("x"))[1] == ()


@pytest.mark.parametrize("count", [2, 40], ids=["few", "many"])
def test_all_secrets_of_a_line_are_named_and_counted(count: int) -> None:
    known, owners = KnownValues(), [Owner() for _ in range(count)]
    for number, owner in enumerate(owners):
        known.add(owner, f"KEY_{number}", f"sk-real-number-{number:04}")

    masked, names = known.mask(line_with("sk-real-number-0001 sk-real-number-0000 sk-real-number-0001"))

    assert set(names) == {"KEY_0", "KEY_1"}
    assert b"sk-real" not in masked
    assert known.hits == 3


def test_where_there_is_too_much_for_the_automaton_each_is_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_values, "_RE2_MEMORY", 1000)
    known, owners = KnownValues(), [Owner() for _ in range(40)]
    for number, owner in enumerate(owners):
        known.add(owner, f"KEY_{number}", f"sk-real-number-{number:04}")

    assert known._search is None
    assert known.mask(b"sk-real-number-0007")[1] == ("KEY_7",)
    assert known._search is None


@pytest.mark.slow
@given(st.text('\\"nu01b\n\x1b', min_size=8, max_size=12), st.text('\\n\n\x1bu0"', max_size=8))
@settings(max_examples=300)
def test_a_value_that_looks_like_the_end_of_an_escape_leaves_a_line_of_json(value: str, before: str) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", value)

    masked, _ = known.mask(line_with(before + value))

    shown = json.loads(masked)["path"]
    assert "KEY" in shown or len(value.strip()) < 8
    assert known.mask(line_with(before + value[1:]))[0].startswith(b'{"msg":"request"')
    json.loads(known.mask(line_with(before + value[1:]))[0])


PEM = "-----BEGIN PRIVATE KEY-----\n" + "".join(f"line {number:04} of é key\n" for number in range(200)) + "-----END\n"


@pytest.mark.parametrize("size", [len(PEM), 1000, 200], ids=["whole", "cut", "cut early"])
@pytest.mark.parametrize("spell", [str, json.dumps], ids=["plain", "in JSON"])
def test_a_key_file_is_masked_from_its_first_lines_on(size: int, spell: Callable[[str], str]) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", PEM)

    masked, names = known.mask(line_with(spell(PEM)[:size]))

    assert names == ("KEY",)
    path = json.loads(masked)["path"]
    assert "line 0001" not in path
    assert "0150" not in path
    if size == len(PEM) and spell is str:
        assert path == "/before [masked:KEY]\n behind"


@pytest.mark.slow
@given(st.text('\\"né\n\x01€', min_size=140, max_size=150), st.integers(0, 150), st.text('\\"é\n\x02€', max_size=3))
@settings(max_examples=300)
def test_a_value_that_is_cut_anywhere_leaves_a_line_of_json(value: str, size: int, behind: str) -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", f"begin{value}end")
    line = line_with(f"begin{value[:size]}{behind}")

    masked, names = known.mask(line)

    assert bool(names) or size < 128
    assert json.loads(masked)["msg"] == "request"


def test_the_longer_of_two_values_goes_first() -> None:
    known, owners = KnownValues(), [Owner(), Owner()]
    known.add(owners[0], "SHORT", "sk-real-1")
    known.add(owners[1], "LONG", "sk-real-1234")

    assert known.mask(b"sk-real-1234 sk-real-1")[0] == b"[masked:LONG] [masked:SHORT]"


def test_a_value_that_was_let_go_is_masked_until_its_grace_has_passed() -> None:
    clock = Clock()
    known, owner = KnownValues(clock), Owner()
    known.add(owner, "KEY", VALUE)
    line = line_with(VALUE)
    del owner
    gc.collect()

    masked = [known.mask(line)[1]]
    clock.now += GRACE - 1
    masked.append(known.mask(line)[1])
    clock.now += 2
    masked.append(known.mask(line)[1])

    assert masked == [("KEY",), ("KEY",), ()]


def test_values_that_come_and_go_do_not_fill_the_memory() -> None:
    known = KnownValues()
    for number in range(1000):
        owner = Owner()
        known.add(owner, "KEY", f"sk-real-number-{number:04}")
        del owner
    gc.collect()

    known.mask(b"")

    assert len(known._retired) < 100
    assert known.mask(b"sk-real-number-0999")[1] == ("KEY",)


def test_a_value_that_is_not_utf8_is_known_as_headers_show_it() -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", "sk-real-\udcff-1234")

    assert known.mask(msgspec.json.encode("sk-real-\xff-1234"))[1] == ("KEY",)


def test_nothing_is_printed_of_it() -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", VALUE)

    assert repr(known) == "<KnownValues: 1 secrets>"


def test_what_is_looked_for_on_purpose_is_found_and_no_hit() -> None:
    known, owner = KnownValues(), Owner()
    known.add(owner, "KEY", VALUE)
    line = msgspec.json.encode(f"x {VALUE}")

    assert known.found_in(line) == ("KEY",)
    assert known.found_in(b'"nothing"') == ()
    assert known.hits == 0


def test_of_a_value_whose_grace_has_passed_nothing_is_left_to_the_collector() -> None:
    clock = Clock()
    known = KnownValues(clock)

    def come_and_go() -> None:
        owner = Owner()
        known.add(owner, "KEY", VALUE)
        owner.itself = owner
        del owner
        gc.collect()                             # of this one the callback is called, and kept
        clock.now += 2 * GRACE
        known.mask(b"")

    assert left_to_the_collector(come_and_go) == 0
