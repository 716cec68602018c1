"""Many tokens found in one pass, the longest first, output never searched again."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iron_proxy.transforms.secrets import tokens as tokens_module
from iron_proxy.transforms.secrets.tokens import TokenSet, distinct_tokens, longer_tokens, replace_spans

# Letters of a tiny alphabet, so that tokens overlap and hold one another all the time; and bytes that regexes mind.
TOKENS = st.lists(st.text("ab-.\n\\[é", min_size=1, max_size=5).map(str.encode), min_size=1, max_size=30, unique=True)
VALUES = st.lists(st.sampled_from([b"a", b"b", b"-", b".", b"\n", b"\\", b"[", b"\xc3\xa9", b"\xff", b"\0"])).map(
    b"".join
)


def reference(tokens: list[bytes], value: bytes) -> list[tuple[int, int, bytes]]:
    """The meaning, written plainly: at each place the longest token that begins there."""
    spans, position = [], 0
    while position < len(value):
        here = max((token for token in tokens if value.startswith(token, position)), key=len, default=b"")
        if here:
            spans.append((position, position + len(here), here))
        position += len(here) or 1
    return spans


@pytest.mark.slow
@given(TOKENS, VALUES)
def test_few_and_many_tokens_mean_the_same(tokens: list[bytes], value: bytes) -> None:
    filler = [b"filler-%d" % number for number in range(500)]

    few = [TokenSet(tokens[:8]).find(value), reference(tokens[:8], value)]
    many = TokenSet(tokens + filler).find(value)

    assert few[0] == few[1]
    assert many == reference(tokens, value)


@given(TOKENS, VALUES)
@settings(max_examples=50)
def test_both_engines_mean_the_same_for_any_number(tokens: list[bytes], value: bytes) -> None:
    found = []
    for few in (0, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tokens_module, "_FEW_TOKENS", few)
            found.append(TokenSet(tokens).find(value))

    assert found[0] == found[1]


@pytest.mark.parametrize("extra", [0, 500], ids=["few", "many"])
def test_the_longest_token_wins_and_output_is_not_searched(extra: int) -> None:
    tokens = TokenSet([b"tok-1", b"tok-12", *(b"other-%d" % number for number in range(extra))])
    values = {b"tok-1": b"real tok-12 inside", b"tok-12": b"B"}

    assert tokens.replace(b"tok-12", values.get) == b"B"
    assert tokens.replace(b"tok-1", values.get) == b"real tok-12 inside"
    assert tokens.replace(b"<tok-1tok-12tok-1>", values.get) == b"<real tok-12 insideBreal tok-12 inside>"


def test_a_token_without_a_replacement_stays() -> None:
    assert TokenSet([b"aa", b"bb"]).replace(b"-aa-bb-", {b"bb": b"new"}.get) == b"-aa-new-"


def test_occurs_in_says_whether_there_is_any() -> None:
    tokens = TokenSet([b"aa", b"bb"])

    assert tokens.occurs_in(b"xbbx")
    assert not tokens.occurs_in(b"abab")


def test_distinct_tokens_keep_the_order_of_their_first_place() -> None:
    assert distinct_tokens([(0, 1, b"b"), (1, 2, b"a"), (2, 3, b"b")]) == [b"b", b"a"]
    assert distinct_tokens([]) == []


def test_spans_are_replaced_where_they_stand() -> None:
    assert replace_spans(b"0123456789", [(1, 3, b"x"), (5, 6, b"y")], {b"x": b"<>", b"y": b""}.get) == b"0<>346789"


def test_a_token_knows_the_longer_ones_around_it() -> None:
    assert longer_tokens([b"tok", b"tok-1", b"my-tok-1", b"other"]) == {
        b"tok": frozenset((b"tok-1", b"my-tok-1")),
        b"tok-1": frozenset((b"my-tok-1",)),
    }


def test_five_hundred_tokens_are_found_in_a_large_value() -> None:
    generator = random.Random(7)
    tokens = [bytes(generator.choices(b"abcdef0123456789", k=24)) for _ in range(500)]
    value = b"".join(bytes(generator.choices(b"abcdef0123456789", k=40)) + token for token in tokens)

    assert {token for *_, token in TokenSet(tokens).find(value)} == set(tokens)
