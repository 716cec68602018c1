import pytest

from iron_proxy.messages.client_key import client_key, client_key_of_peer


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_who_counts_as_one_client(host: str, key: str) -> None:
    assert client_key(host) == key


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("192.0.2.7:40000", "192.0.2.7"),
        ("[2001:db8:1:2:3::4]:40000", "2001:db8:1:2::"),
        ("[fe80::1%eth0]:1", "fe80::"),
        ("", ""),
    ],
)
def test_of_a_peer_the_address_counts(peer: str, key: str) -> None:
    assert client_key_of_peer(peer) == key
