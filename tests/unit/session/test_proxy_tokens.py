import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.session.proxy_tokens import KNOWN_PREFIXES, token_like

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("sk-proj-" + "aB3" * 20, r"sk-proj-[A-Za-z0-9]{60}"),
        ("ghp_" + "aB3" * 12, r"ghp_[A-Za-z0-9]{36}"),
        (HEX, r"[0-9a-f]{64}"),
        ("k3y" * 10, r"[a-z0-9]{30}"),
        ("hunter2", r"[a-z0-9]{24}"),
        ("X" * 5000, r"[A-Za-z0-9]{256}"),
        (
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        ),
    ],
)
def test_a_token_has_the_form_of_its_secret(value: str, form: str) -> None:
    assert re.fullmatch(form, token_like(value))


@given(st.text(min_size=1))
def test_a_token_is_new_each_time_and_fit_for_every_place(value: str) -> None:
    first, second = token_like(value), token_like(value)

    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9._-]{24,}", first)


@given(st.text(alphabet="abcXYZ019-_", min_size=12))
def test_no_more_than_a_known_prefix_is_kept(value: str) -> None:
    token = token_like(value)
    prefix = max((known for known in KNOWN_PREFIXES if value.startswith(known)), key=len, default="")

    # Twelve characters that are the same by chance: one in 10^12 or less.
    assert value[len(prefix) : len(prefix) + 12] not in token
