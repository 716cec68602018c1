"""Each dialect writes what its encoder writes."""

import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.transforms.secrets.escapes import (
    HTML_DIALECTS,
    JSON_DIALECTS,
    PERCENT_DIALECTS,
    SCRIPT_DIALECTS,
    Coding,
)

TEXT = "aZ09 -._~!$&'()*+,;=:@/?#[]%\"<>\\`\b\t\n\f\r\x1bé\u20ac😀"


@pytest.mark.parametrize(
    "written",
    [
        quote(TEXT, safe=""),
        quote(TEXT),
        quote_plus(TEXT),
        quote(TEXT, safe="!*'()"),
        quote(TEXT, safe="$&+=:@"),
        quote_plus(TEXT, safe="*").replace("~", "%7E"),
        quote(quote(TEXT, safe=""), safe=""),
    ],
    ids=["unreserved", "path", "form", "encodeURIComponent", "PathEscape", "URLSearchParams", "twice"],
)
def test_some_dialect_of_links_writes(written: str) -> None:
    assert written.encode() in {coding(TEXT.encode()) for coding in PERCENT_DIALECTS}


def test_links_are_written_with_digits_of_both_cases() -> None:
    assert {coding("é/".encode()) for coding in PERCENT_DIALECTS} >= {
        b"%C3%A9%2F",
        b"%c3%a9%2f",
        b"%C3%A9/",
        b"%c3%a9/",
    }


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(TEXT, ensure_ascii=False),
        json.dumps(TEXT),
        json.dumps(TEXT).replace("/", r"\/"),
        json.dumps(TEXT, ensure_ascii=False).replace("/", r"\/"),
        json.dumps(json.dumps(TEXT))[2:-2],
        r'"aZ09 -._~!$\u0026\u0027()*\u002B,;=:@/?#[]%\u0022\u003C\u003E\\\u0060\b\t\n\f\r'
        r'\u001B\u00E9\u20AC\uD83D\uDE00"',
    ],
    ids=["UTF-8", "ASCII", "PHP", "PHP in UTF-8", "in JSON", "System.Text.Json"],
)
def test_some_dialect_of_json_writes(written: str) -> None:
    assert written[1:-1].encode() in {coding(TEXT.encode()) for coding in JSON_DIALECTS}


@pytest.mark.parametrize("coding", JSON_DIALECTS[:-2])
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_dialect_of_json_reads_back(coding: Coding, text: str) -> None:
    assert json.loads(b'"' + coding(text.encode()) + b'"') == text


@pytest.mark.parametrize("coding", HTML_DIALECTS)
def test_every_dialect_of_html_reads_back(coding: Coding) -> None:
    text = "a&amp;<b>\"c'/`=é"

    assert html.unescape(coding(text.encode()).decode()) == text


def test_pythons_html_is_one_of_them() -> None:
    assert html.escape(TEXT).encode() in {coding(TEXT.encode()) for coding in HTML_DIALECTS}


def test_what_is_not_utf8_is_left_alone_by_json_in_ascii() -> None:
    assert {coding(b"\xff\n\xc3") for coding in JSON_DIALECTS[:9]} == {b"\xff\\n\xc3"}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sk-live_1/+=", rb"sk\u002Dlive_1/+\u003D"),
        ("sk-live_1/+=", rb"sk\x2Dlive_1\x2F\x2B\x3D"),
    ],
    ids=["Django", "ESAPI"],
)
def test_some_dialect_of_scripts_writes(text: str, written: bytes) -> None:
    assert written in {coding(text.encode()) for coding in SCRIPT_DIALECTS}


@pytest.mark.parametrize(
    "written", [b"a&#43;b/=-", b"a&#x2B;b/=-", b"a&#x2b;b&#x2f;&#x3d;-"], ids=["Go's templates", "ASP.NET", "ESAPI"]
)
def test_what_base64_is_made_of_is_escaped_in_html_by_some(written: bytes) -> None:
    """Keys of AWS hold `+`."""
    assert written in {coding(b"a+b/=-") for coding in HTML_DIALECTS}


@pytest.mark.parametrize("written", [b"a+b%7Ec!*()d", b"a+b%7Ec%21%2A%28%29d"], ids=[".NET", "PHP"])
def test_forms_of_other_languages(written: bytes) -> None:
    assert written in {coding(b"a b~c!*()d") for coding in PERCENT_DIALECTS}
