"""HDR: header fields on their way to the upstream, hop-by-hop ones, and what a client cannot take away."""

import pytest
from tests.fakes.running_proxy import SECRETS, RunningProxy
from tests.fakes.wire_client import ALL_WAYS, TLS_WAYS, Way, way_id

INJECTED = f"Bearer {SECRETS['SEC_INJ']}".encode()


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("value", ["Authorization", "close, authorization", "AUTHORIZATION"])
def test_hdr_01_a_client_cannot_have_the_injected_field_removed(proxy: RunningProxy, way: Way, value: str) -> None:
    proxy.ask(way, host="inject.test", headers=f"Connection: {value}\r\n")

    assert proxy.arrived()[-1].get_all(b"authorization") == [INJECTED]


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_hdr_04_hop_by_hop_fields_end_here(proxy: RunningProxy, way: Way) -> None:
    headers = (
        "Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
        "TE: trailers, deflate\r\nUpgrade: foo\r\nTrailer: X\r\nConnection: Cookie\r\nCookie: a=b\r\nX-Kept: yes\r\n"
    )

    answer = proxy.ask(way, headers=headers)

    assert answer.status == 200
    seen = proxy.arrived()[-1]
    assert sorted(seen.names()) == [b"host", b"te", b"x-kept"]
    assert seen.get_all(b"te") == [b"trailers"]


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_hdr_05_the_injected_field_is_the_only_one_of_its_name(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, host="inject.test", headers="Authorization: a\r\nauthorization: b\r\nAUTHORIZATION: c\r\n")

    assert proxy.arrived()[-1].get_all(b"authorization") == [INJECTED]


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_hdr_10_no_field_is_invented(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, headers="x-lower: 1\r\nX-Upper: 2\r\nx-lower: 3\r\n")

    seen = proxy.arrived()[-1]
    assert seen.fields == [
        (b"Host", proxy.authority(way, "ok.test").encode()),
        (b"x-lower", b"1"),
        (b"X-Upper", b"2"),
        (b"x-lower", b"3"),
    ]
