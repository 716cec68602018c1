import pytest

from iron_proxy.go_compat.canonical_header import canonical_header_bytes, canonical_header_key


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("x-request-id", "X-Request-Id"),
        ("CONTENT-TYPE", "Content-Type"),
        ("ETag", "Etag"),
        ("www-authenticate", "Www-Authenticate"),
        ("a--b-", "A--B-"),
        ("x_y-z1", "X_y-Z1"),
        ("1st-header", "1st-Header"),
        ("", ""),
    ],
)
def test_each_part_begins_with_a_capital(name: str, canonical: str) -> None:
    assert canonical_header_key(name) == canonical
    assert canonical_header_bytes(name.encode()) == canonical.encode()


@pytest.mark.parametrize("name", ["foo bar", "foo:bar", "föö-bar", "x-\u212a", "x\r\ny", "(x-a)"])
def test_a_name_that_is_no_token_stays_as_it_is(name: str) -> None:
    assert canonical_header_key(name) == name


def test_a_very_long_name_is_spelled_like_any_other() -> None:
    assert canonical_header_bytes(b"x-" + b"A" * 5000) == b"X-A" + b"a" * 4999
