from collections.abc import Callable

import pytest

from iron_proxy.messages.headers import Fields, Headers, InvalidHeader, Pair, check_field


def three() -> Headers:
    return Headers([(b"X-Api-Key", b"a"), (b"Accept", b"*/*"), (b"x-api-key", b"b")])


def test_lookups_ignore_case_and_keep_order() -> None:
    headers = three()

    assert headers.get(b"x-api-key") == b"a"
    assert headers.get_all(b"x-api-key") == [b"a", b"b"]
    assert headers.get(b"cookie") is None
    assert headers.get_all(b"cookie") == []
    assert len(headers) == 3
    assert list(headers) == headers.pairs


def test_set_replaces_every_spelling_by_one() -> None:
    headers = three()

    headers.set(b"X-API-KEY", b"c")

    assert headers.pairs == [(b"Accept", b"*/*"), (b"X-API-KEY", b"c")]


def test_append_keeps_what_is_there() -> None:
    headers = three()

    headers.append(b"X-Api-Key", b"c")

    assert headers.get_all(b"x-api-key") == [b"a", b"b", b"c"]


def test_remove_takes_every_spelling_and_counts_them() -> None:
    headers = three()

    assert headers.remove(b"x-api-key") == 2
    assert headers.remove(b"x-api-key") == 0
    assert headers.pairs == [(b"Accept", b"*/*")]


@pytest.mark.parametrize(
    ("unwanted", "removed", "left"),
    [
        ((b"Accept",), [b"Accept"], 2),
        ((b"X-Api-Key", b"x-api-key"), [b"X-Api-Key", b"x-api-key"], 1),
        ((b"Cookie",), [], 3),
    ],
)
def test_remove_where_tells_the_names_as_they_were_spelled(
    unwanted: tuple[bytes, ...], removed: list[bytes], left: int
) -> None:
    headers = three()

    assert headers.remove_where(lambda name: name in unwanted) == removed
    assert len(headers) == left


def test_replace_at_keeps_the_place() -> None:
    headers = three()

    headers.replace_at(1, b"Accept", b"text/html")

    assert headers.pairs[1] == (b"Accept", b"text/html")


def test_a_copy_is_independent() -> None:
    headers = three()
    copy = headers.copy()

    copy.remove(b"accept")

    assert headers.get(b"accept") == b"*/*"


def test_the_repr_has_names_only() -> None:
    assert repr(Headers([(b"Authorization", b"Bearer secret")])) == "<Headers ['Authorization']>"


@pytest.mark.parametrize(
    "pair",
    [
        (b"X", b"a\r\nHost: other.test"),
        (b"X", b"a\nb"),
        (b"X", b"a\rb"),
        (b"X", b"a\0b"),
        (b"X", b"a\x7f"),
        (b"X", b"a\x01"),
        (b"", b"a"),
        (b"X Y", b"a"),
        (b"X:", b"a"),
        (b"X\r\n", b"a"),
        (b"X\n", b"a"),
        (b"X(", b"a"),
        (b"X\xc3\xa9", b"a"),
    ],
)
def test_no_door_lets_in_what_would_break_the_message(pair: Pair) -> None:
    headers = three()

    for door in (headers.append, headers.set, lambda name, value: headers.replace_at(0, name, value), check_field):
        with pytest.raises(InvalidHeader) as caught:
            door(*pair)
        assert "other.test" not in str(caught.value)
    assert headers.pairs == three().pairs


@pytest.mark.parametrize("value", [b"", b"a\tb", b" padded ", b"caf\xe9", b"\xff"])
def test_tabs_and_bytes_beyond_ascii_are_values(value: bytes) -> None:
    check_field(b"X-Any", value)


@pytest.mark.parametrize(
    "change",
    [
        lambda headers: headers.set(b"X-Api-Key", b"c"),
        lambda headers: headers.append(b"X", b"c"),
        lambda headers: headers.remove(b"accept"),
        lambda headers: headers.remove_where(lambda name: name == b"Accept"),
        lambda headers: headers.replace_at(0, b"X", b"c"),
        lambda headers: headers.pairs.clear(),
    ],
    ids=["set", "append", "remove", "remove_where", "replace_at", "in place"],
)
def test_what_one_message_changes_no_other_sees(change: Callable[[Headers], object]) -> None:
    fields = Fields(three().pairs)
    headers, other = Headers(fields), Headers(fields)
    copy = headers.copy()

    change(headers)

    assert list(headers) != three().pairs
    assert list(other) == list(copy) == list(fields) == three().pairs


def test_fields_that_are_only_read_are_not_copied() -> None:
    headers = Headers(Fields(three().pairs))

    assert headers.get_all(b"x-api-key") == [b"a", b"b"]
    assert headers.remove_where(lambda name: False) == []
    assert isinstance(headers.fields, Fields)
