"""Entries of a list of header fields: names and /regexes/."""

import pytest

from iron_proxy.matching.header_patterns import (
    HeaderPattern,
    InvalidHeaderRegex,
    parse_header_name,
)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        pytest.param("x-request-id", b"X-Request-Id", True, id="a name ignores case"),
        pytest.param("X-Request-Id", b"x-request-id", True, id="either side may be lower case"),
        pytest.param("X-Request-Id", b"X-Request-Id-2", False, id="a name is the whole name"),
        pytest.param("/^X-Trace-.*$/", b"X-Trace-Id", True, id="a regex"),
        pytest.param("/^X-Trace-.*$/", b"x-trace-id", True, id="a regex ignores case"),
        pytest.param("/trace/", b"X-Trace-Id", True, id="a regex is searched"),
        pytest.param("/^authorization$/", b"Authorization", True, id="an anchored regex"),
        pytest.param("/^authorization$/", b"X-Authorization", False, id="an anchored regex holds its anchors"),
        pytest.param("//", b"Anything", True, id="the empty regex matches all"),
    ],
)
def test_a_header_pattern_matches(text: str, name: bytes, expected: bool) -> None:
    assert HeaderPattern.parse(text).matches(name) is expected


def test_a_literal_keeps_the_operators_spelling_for_the_wire() -> None:
    pattern = HeaderPattern.parse("x-api-KEY")

    assert pattern.wire_name == b"x-api-KEY"
    assert pattern.literal_lower == b"x-api-key"


def test_a_regex_has_no_name() -> None:
    pattern = HeaderPattern.parse("/^x-/")

    assert pattern.literal_lower is None
    assert pattern.wire_name == b""


@pytest.mark.parametrize(
    "pattern", ["[unterminated", "(a)\\1", "a(?=b)", "\ud800"], ids=["class", "backreference", "lookahead", "surrogate"]
)
def test_what_is_not_re2_is_refused_with_the_pattern(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidHeaderRegex) as caught:
        HeaderPattern.parse(f"/{pattern}/")

    assert caught.value.pattern == pattern
    assert str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("text", ["", "/", "X Foo", "X:", "Schlüssel", "/open", "a\n"])
def test_what_is_no_header_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a header name"):
        HeaderPattern.parse(text)


@pytest.mark.parametrize("regex", ["/^(a+)+$/", "/(x|x|x)*y/"])
def test_a_hostile_regex_costs_linear_time(regex: str) -> None:
    assert not HeaderPattern.parse(regex).matches(b"a" * 50_000 + b"!")


def test_a_header_name_is_read_as_bytes() -> None:
    assert parse_header_name("X-Tenant-ID") == b"X-Tenant-ID"
