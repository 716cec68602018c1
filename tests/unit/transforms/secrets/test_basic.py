"""Basic credentials."""

import base64

import pytest

from iron_proxy.transforms.secrets.basic import decode_basic, with_credentials

ENCODED = base64.b64encode(b"user:proxy-token")


@pytest.mark.parametrize("scheme", [b"Basic ", b"basic ", b"BASIC ", b"Basic   "])
def test_any_case_of_the_scheme_is_decoded(scheme: bytes) -> None:
    assert decode_basic(scheme + ENCODED) == b"user:proxy-token"


@pytest.mark.parametrize(
    "value",
    [b"Bearer " + ENCODED, b"Basic" + ENCODED, b"Basic !!!", b"Basic " + ENCODED[:-3], b"Basic\t" + ENCODED, b""],
    ids=["other scheme", "no space", "not base64", "cut", "tab", "empty"],
)
def test_anything_else_is_not(value: bytes) -> None:
    assert decode_basic(value) is None


def test_new_credentials_keep_the_spelling_of_the_scheme() -> None:
    assert with_credentials(b"BaSiC  " + ENCODED, b"user:real") == b"BaSiC " + base64.b64encode(b"user:real")
