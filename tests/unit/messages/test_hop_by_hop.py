import pytest

from iron_proxy.messages.hop_by_hop import HOP_BY_HOP


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ],
)
def test_a_field_about_one_connection_does_not_travel_on(name: bytes) -> None:
    assert name in HOP_BY_HOP


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"x-forwarded-for", b"via", b"host"])
def test_an_end_to_end_field_is_not_among_them(name: bytes) -> None:
    assert name not in HOP_BY_HOP


def test_the_names_are_lower_case() -> None:
    assert {name.lower() for name in HOP_BY_HOP} == HOP_BY_HOP
