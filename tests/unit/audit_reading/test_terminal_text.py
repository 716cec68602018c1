import pytest

from iron_proxy.audit_reading.terminal_text import MAX_SHOWN, escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/v1/models", "/v1/models"),
        ("/café", "/café"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nfake line", "a\\x0d\\x0afake line"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202etxt", "\\u202etxt"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_could_move_a_cursor_is_shown_and_not_done(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_long_text_is_cut() -> None:
    assert escaped("x" * 10_000) == "x" * (MAX_SHOWN - 1) + "…"
