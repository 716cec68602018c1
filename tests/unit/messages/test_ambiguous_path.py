import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.messages.ambiguous_path import path_is_ambiguous


@pytest.mark.parametrize(
    "raw_path",
    [
        pytest.param(b"/v1/a%2Fb", id="encoded slash"),
        pytest.param(b"/v1%2fadmin", id="encoded slash in lower case"),
        pytest.param(b"/v1/..%5cadmin", id="encoded backslash"),
        pytest.param(b"/v1/..\\admin", id="backslash"),
        pytest.param(b"/v1/a%00.txt", id="encoded NUL"),
        pytest.param(b"/v1/a\x00b", id="NUL"),
        pytest.param(b"/v1//admin", id="two slashes"),
        pytest.param(b"//v1", id="two slashes first"),
        pytest.param(b"/v1/..;/admin", id="dots and a semicolon"),
        pytest.param(b"/v1/..%3b/admin", id="dots and an encoded semicolon"),
        pytest.param(b"/v1/.%2e;x=1/admin", id="half encoded dots and a semicolon"),
        pytest.param(b"/v1/;../admin", id="a semicolon and dots"),
        pytest.param(b"/v1/../admin", id="dot segment"),
        pytest.param(b"/v1/.", id="one dot at the end"),
        pytest.param(b"/v1/%2e%2e/admin", id="encoded dot segment"),
        pytest.param(b"/v1/%252e%252e/admin", id="twice encoded dots"),
        pytest.param(b"/v1/%25252e%25252e/admin", id="three times encoded dots"),
        pytest.param(b"/v1/%25%32%65x", id="a twice encoded dot in pieces"),
        pytest.param(b"/v1/a%252fb", id="twice encoded slash"),
        pytest.param(b"/v1/a%255cb", id="twice encoded backslash"),
        pytest.param(b"/v1/%c0%ae%c0%ae/admin", id="overlong dots"),
        pytest.param(b"/v1/%e0%80%afadmin", id="overlong slash"),
        pytest.param(b"/v1/%u002e", id="an escape of another kind"),
        pytest.param(b"/v1/100%", id="a percent sign that is no escape"),
        pytest.param(b"/v1/%2", id="half an escape"),
    ],
)
def test_an_ambiguous_path_is_recognised(raw_path: bytes) -> None:
    assert path_is_ambiguous(raw_path)


@pytest.mark.parametrize(
    "raw_path",
    [
        b"",
        b"/",
        b"*",
        b"/v1/",
        b"/v1/x.y",
        b"/a..b",
        b"/...",
        b"/.well-known/x",
        b"/a;v=1/b",
        b"/caf%c3%a9",
        b"/caf%e9",
        b"/%761/x",
        b"/a%20b",
        b"/file%2etxt",
        b"/100%25",
        b"/x%3bv=1",
        b"/\xc3\xa9",
    ],
    ids=repr,
)
def test_an_ordinary_path_is_not_ambiguous(raw_path: bytes) -> None:
    assert not path_is_ambiguous(raw_path)


@given(st.binary(max_size=60))
def test_any_bytes_get_an_answer(raw_path: bytes) -> None:
    assert path_is_ambiguous(raw_path) in (True, False)
