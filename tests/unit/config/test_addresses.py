import pytest

from iron_proxy.config.addresses import ListenAddress, ResolverAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":80", "", 80),
        (":0", "", 0),
        (":65535", "", 65535),
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("0.0.0.0:53", "0.0.0.0", 53),
        ("localhost:9090", "localhost", 9090),
        ("LocalHost:9090", "localhost", 9090),
        ("[::]:443", "::", 443),
        ("[::1]:443", "::1", 443),
        ("[0:0::1]:443", "::1", 443),
        ("[fe80::1%eth0]:53", "fe80::1%eth0", 53),
    ],
)
def test_a_listen_address_is_read(text: str, host: str, port: int) -> None:
    address = ListenAddress.parse(text)

    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "write host:port"),
        ("8080", 'write ":8080" to listen on all interfaces'),
        ("127.0.0.1", "write host:port"),
        ("127.0.0.1:", "write host:port"),
        (":http", "write host:port"),
        (":99999", "a port is at most 65535"),
        (":65536", "a port is at most 65535"),
        (":-1", "write host:port"),
        (":٨٠", "write host:port"),
        (":8_0", "write host:port"),
        (" :80", "write host:port"),
        (":80\n", "write host:port"),
        ("::1:80", "in brackets"),
        ("::1", "in brackets"),
        ("[]:80", "write host:port"),
        ("[::1]", "write host:port"),
        ("[1.2.3.4]:80", "in brackets stands an IPv6 address"),
        ("127.1:80", "write host:port"),
        ("0x7f000001:80", "write host:port"),
        ("a b:80", "write host:port"),
        ("höst:80", "write host:port"),
        ("http://x:80", "write host:port"),
        ("*:80", "write host:port"),
    ],
)
def test_anything_else_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="is not a listen address") as caught:
        ListenAddress.parse(text)

    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("1.1.1.1:53", "1.1.1.1", 53, "1.1.1.1:53"),
        ("127.0.0.11:5353", "127.0.0.11", 5353, "127.0.0.11:5353"),
        ("[2606:4700:0::1111]:53", "2606:4700::1111", 53, "[2606:4700::1111]:53"),
    ],
)
def test_a_resolver_address_is_read(text: str, host: str, port: int, shown: str) -> None:
    address = ResolverAddress.parse(text)

    assert address == (host, port)
    assert str(address) == shown


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "1.1.1.1:0", "1.1.1.1:70000", ":53", "dns.google:53", "::1:53", "[1.1.1.1]:53", "01.1.1.1:53"]
)
def test_a_resolver_is_a_literal_address_with_a_port(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not the address of a resolver; write ip:port"):
        ResolverAddress.parse(text)
