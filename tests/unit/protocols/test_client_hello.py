import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.client_hellos import (
    ALERT,
    ANOTHER_GREASE,
    APPLICATION_DATA,
    GREASE,
    SERVER_HELLO,
    TLS11,
    TLS12,
    TLS13,
    alpn,
    client_hello,
    client_hello_body,
    extension,
    message,
    openssl_client_hello,
    record,
    records,
    server_name,
    server_name_entry,
    supported_versions,
    vector,
)
from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.errors import BadHandshake
from iron_proxy.protocols.client_hello import MAX_CLIENT_HELLO_BYTES, ClientHello, ClientHelloParser

NAME = server_name(b"api.example.com")
# As a browser does it: GREASE at both ends and in every list that may hold it.
LIKE_A_BROWSER = (
    extension(GREASE, b""),
    NAME,
    extension(23, b""),
    alpn(b"\x6a\x6a", b"h2", b"http/1.1"),
    supported_versions(GREASE, TLS13, TLS12),
    extension(51, bytes(1200)),
    extension(ANOTHER_GREASE, b"\x00"),
)
BROWSER = record(message(client_hello_body(*LIKE_A_BROWSER)))
BROWSER_SAYS = ClientHello("api.example.com", (b"\x6a\x6a", b"h2", b"http/1.1"), True, TLS12)

TLS12_CLIENT = openssl_client_hello("ok.test", newest=ssl.TLSVersion.TLSv1_2)
TLS13_CLIENT = openssl_client_hello("ok.test", ["http/1.1"], oldest=ssl.TLSVersion.TLSv1_3)


def parse(wire: bytes) -> ClientHello | None:
    return ClientHelloParser().receive(wire)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (TLS12_CLIENT, ClientHello("ok.test", (), False, TLS12)),
        (TLS13_CLIENT, ClientHello("ok.test", (b"http/1.1",), True, TLS12)),
        (openssl_client_hello("ok.test", ["h2"]), ClientHello("ok.test", (b"h2",), True, TLS12)),
        (
            openssl_client_hello("ok.test", ["h2", "http/1.1"]),
            ClientHello("ok.test", (b"h2", b"http/1.1"), True, TLS12),
        ),
        (openssl_client_hello("ok.test", ["acme-tls/1"]), ClientHello("ok.test", (b"acme-tls/1",), True, TLS12)),
        (openssl_client_hello(None), ClientHello(None, (), True, TLS12)),
        (openssl_client_hello("127.0.1.9"), ClientHello(None, (), True, TLS12)),
        (openssl_client_hello("::1"), ClientHello(None, (), True, TLS12)),
        (openssl_client_hello("OK.Test"), ClientHello("ok.test", (), True, TLS12)),
    ],
    ids=[
        "TLS 1.2 only",
        "TLS 1.3 only",
        "h2 only",
        "h2 and HTTP/1.1",
        "another ALPN protocol",
        "no name",
        "an IPv4 address, which OpenSSL does not send",
        "an IPv6 address, which OpenSSL does not send",
        "a name in mixed case",
    ],
)
def test_what_openssl_sends_is_read(wire: bytes, expected: ClientHello) -> None:
    assert parse(wire) == expected


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (BROWSER, BROWSER_SAYS),
        (client_hello(), ClientHello(None, (), False, TLS12)),
        (
            record(message(client_hello_body(legacy_version=TLS11, session_id=b"", has_extensions=False))),
            ClientHello(None, (), False, TLS11),
        ),
        (client_hello(supported_versions(TLS12, TLS11)), ClientHello(None, (), False, TLS12)),
        (record(message(client_hello_body(NAME)), version=TLS13), ClientHello("api.example.com", (), False, TLS12)),
    ],
    ids=[
        "GREASE everywhere",
        "an empty extension block",
        "no extension block at all, as TLS 1.1 may",
        "supported versions without TLS 1.3",
        "a record version that does not exist",
    ],
)
def test_variants_that_the_rfcs_allow_are_read(wire: bytes, expected: ClientHello) -> None:
    assert parse(wire) == expected


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (b"OK.TEST", "ok.test"),
        (b"ok.test.", "ok.test"),
        (b"_dmarc.ok.test", "_dmarc.ok.test"),
        (b"localhost", "localhost"),
    ],
    ids=["upper case", "a trailing dot", "an underscore", "one label"],
)
def test_the_server_name_is_canonical(name: bytes, canonical: str) -> None:
    hello = parse(client_hello(server_name(name)))

    assert hello is not None
    assert hello.server_name == canonical


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"127.0.1.9", "the server name is an IP address"),
        (b"[::1]", "the server name is an IP address"),
        (b"::1", "the server name is not a host name"),
        (b"127.1", "the server name is not a host name"),
        (b"0x7f000001", "the server name is not a host name"),
        (b"", "the server name is not a host name"),
        (b".", "the server name is not a host name"),
        (b"ok.test..", "the server name is not a host name"),
        (b"other.test\0.ok.test", "the server name is not a host name"),
        (b"ok.test\n", "the server name is not a host name"),
        (b"ok.test:443", "the server name is not a host name"),
        (b"*.ok.test", "the server name is not a host name"),
        ("ök.test".encode(), "the server name is not a host name"),
        (b"\xe2\x84\xaa.test", "the server name is not a host name"),
        (b"a" * 64 + b".test", "the server name is not a host name"),
        (b"a." * 127 + b"test", "the server name is not a host name"),
    ],
    ids=[
        "an IPv4 address",
        "an IPv6 address in brackets",
        "an IPv6 address",
        "a short spelling of loopback",
        "a hexadecimal spelling of loopback",
        "empty",
        "only a dot",
        "two trailing dots",
        "a NUL",
        "a line feed",
        "a port",
        "a wildcard",
        "UTF-8",
        "a Kelvin sign, which str.lower takes for k",
        "a label of 64 letters",
        "more than 253 characters",
    ],
)
def test_a_server_name_that_is_no_host_name_is_refused(name: bytes, reason: str) -> None:
    with pytest.raises(BadHandshake) as refusal:
        parse(client_hello(server_name(name)))

    assert str(refusal.value) == reason


@pytest.mark.parametrize(
    "entries",
    [
        server_name_entry(b"ok.test") + server_name_entry(b"other.test"),
        server_name_entry(b"ok.test") + server_name_entry(b"ok.test"),
        server_name_entry(b"ok.test", name_type=1),
        server_name_entry(b"other.test", name_type=1) + server_name_entry(b"ok.test"),
    ],
    ids=["two host names", "the same host name twice", "another type of name", "another type of name first"],
)
def test_a_server_name_list_holds_exactly_one_host_name(entries: bytes) -> None:
    with pytest.raises(BadHandshake, match="exactly one host name"):
        parse(client_hello(extension(0, vector(2, entries))))


@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n",
        b"\x80\x2e\x01\x03\x01",
        record(b"\x02\x28", content_type=ALERT),
        record(message(client_hello_body(NAME)), content_type=APPLICATION_DATA),
        record(message(client_hello_body(NAME)), version=0x0203),
        records(message(client_hello_body(NAME)), 50)[:55] + record(b"\x02\x28", content_type=ALERT),
    ],
    ids=[
        "plain HTTP",
        "an SSL 2 ClientHello",
        "an alert",
        "a ClientHello as application data",
        "a record of another protocol version",
        "an alert in the middle of the ClientHello",
    ],
)
def test_anything_but_a_handshake_record_is_refused(wire: bytes) -> None:
    with pytest.raises(BadHandshake, match="not a TLS handshake record"):
        parse(wire)


def test_another_protocol_is_refused_at_its_first_byte() -> None:
    with pytest.raises(BadHandshake, match="not a TLS handshake record"):
        parse(b"G")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (
            record(message(client_hello_body(NAME), SERVER_HELLO)),
            "the first TLS handshake message is not a ClientHello",
        ),
        (record(b"\x02"), "the first TLS handshake message is not a ClientHello"),
        (record(b""), "an empty TLS handshake record"),
        (records(message(client_hello_body(NAME)), 20)[:25] + record(b""), "an empty TLS handshake record"),
        (record(message(client_hello_body(NAME)) + b"\0"), "bytes follow the ClientHello inside its TLS record"),
        (
            record(message(client_hello_body(NAME)) + message(b"", 16)),
            "bytes follow the ClientHello inside its TLS record",
        ),
        (record(message(client_hello_body(NAME) + b"\0")), "malformed ClientHello"),
        (record(message(client_hello_body(NAME)[:-1])), "malformed ClientHello"),
        (record(message(b"")), "malformed ClientHello"),
        (record(message(client_hello_body(session_id=bytes(33)))), "malformed ClientHello"),
        (record(message(client_hello_body(cipher_suites=b""))), "malformed ClientHello"),
        (record(message(client_hello_body(cipher_suites=b"\x13\x01\x13"))), "malformed ClientHello"),
        (record(message(client_hello_body(compression_methods=b""))), "malformed ClientHello"),
        (record(message(client_hello_body(has_extensions=False) + b"\0\4\0\0")), "malformed ClientHello"),
        (client_hello(NAME, NAME), "the ClientHello holds an extension twice"),
        (client_hello(NAME, server_name(b"other.test")), "the ClientHello holds an extension twice"),
        (client_hello(extension(GREASE, b""), extension(GREASE, b"")), "the ClientHello holds an extension twice"),
        (client_hello(extension(0, b"")), "malformed ClientHello"),
        (client_hello(extension(0, vector(2, b""))), "malformed ClientHello"),
        (client_hello(extension(0, vector(2, server_name_entry(b"ok.test")) + b"\0")), "malformed ClientHello"),
        (client_hello(extension(0, vector(2, server_name_entry(b"ok.test")[:-1]))), "malformed ClientHello"),
        (client_hello(alpn()), "malformed ClientHello"),
        (client_hello(alpn(b"h2", b"")), "malformed ClientHello"),
        (client_hello(extension(16, vector(2, b"\3h2"))), "malformed ClientHello"),
        (client_hello(supported_versions()), "malformed ClientHello"),
        (client_hello(extension(43, vector(1, b"\3\4\3"))), "malformed ClientHello"),
    ],
    ids=[
        "a ServerHello",
        "a message type alone",
        "an empty record",
        "an empty record in the middle",
        "a byte after the message",
        "a second message in the record",
        "a byte after the extensions",
        "the last byte missing",
        "no body",
        "a session id of 33 bytes",
        "no cipher suites",
        "half a cipher suite",
        "no compression methods",
        "an extension block without its extensions' content",
        "the server name twice",
        "two server names",
        "the same GREASE extension twice",
        "an empty server name extension",
        "an empty server name list",
        "a byte after the server name list",
        "a server name cut short",
        "an empty ALPN list",
        "an empty ALPN protocol",
        "an ALPN protocol cut short",
        "an empty list of versions",
        "half a version",
    ],
)
def test_a_malformed_client_hello_is_refused(wire: bytes, reason: str) -> None:
    with pytest.raises(BadHandshake) as refusal:
        parse(wire)

    assert str(refusal.value) == reason


def filled_to(total: int) -> bytes:
    """A ClientHello whose record is exactly `total` bytes long."""
    spare = total - len(client_hello(NAME, extension(21, b"")))
    return client_hello(NAME, extension(21, bytes(spare)))


def test_a_client_hello_may_fill_the_cap() -> None:
    wire = filled_to(MAX_CLIENT_HELLO_BYTES)

    assert len(wire) == MAX_CLIENT_HELLO_BYTES
    assert parse(wire) == ClientHello("api.example.com", (), False, TLS12)


@pytest.mark.parametrize(
    "wire",
    [
        filled_to(MAX_CLIENT_HELLO_BYTES + 1),
        filled_to(MAX_CLIENT_HELLO_BYTES + 1)[:5],
        record(b"\1\xff\xff\xff"),
        records(message(client_hello_body(NAME, extension(21, bytes(3000)))), 1),
    ],
    ids=["one byte more", "a record that announces it", "a message that announces it", "most of it record headers"],
)
def test_a_client_hello_over_the_cap_is_refused(wire: bytes) -> None:
    with pytest.raises(BadHandshake, match="the ClientHello is larger than 16384 bytes"):
        parse(wire)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (TLS12_CLIENT, ClientHello("ok.test", (), False, TLS12)),
        (TLS13_CLIENT, ClientHello("ok.test", (b"http/1.1",), True, TLS12)),
        (BROWSER, BROWSER_SAYS),
        (records(message(client_hello_body(*LIKE_A_BROWSER)), 100), BROWSER_SAYS),
        (records(message(client_hello_body(NAME)), 1), ClientHello("api.example.com", (), False, TLS12)),
    ],
    ids=["TLS 1.2", "TLS 1.3", "a browser", "records of 100 bytes", "records of one byte"],
)
def test_a_client_hello_is_the_same_however_the_bytes_arrive(wire: bytes, expected: ClientHello) -> None:
    for size in range(1, len(wire) + 1):
        parser = ClientHelloParser()

        answers = [parser.receive(piece) for piece in in_pieces(wire, size)]

        assert answers[-1] == expected
        assert not any(answers[:-1])
        assert parser.consumed == wire


@pytest.mark.parametrize("wire", [TLS12_CLIENT, TLS13_CLIENT, BROWSER], ids=["TLS 1.2", "TLS 1.3", "a browser"])
def test_a_client_hello_may_be_cut_once_anywhere(wire: bytes) -> None:
    expected = parse(wire)

    for position in range(len(wire)):
        parser = ClientHelloParser()

        assert parser.receive(wire[:position]) is None
        assert parser.receive(wire[position:]) == expected


def test_early_data_behind_the_client_hello_is_kept_for_replay() -> None:
    wire = BROWSER + record(bytes(16384), content_type=APPLICATION_DATA)
    parser = ClientHelloParser()

    hello = parser.receive(wire)

    assert hello == BROWSER_SAYS
    assert parser.consumed == wire


def outcome(pieces: list[bytes]) -> ClientHello | str | None:
    """What the parser says in the end; its refusal as text."""
    parser = ClientHelloParser()
    for piece in pieces:
        try:
            if (hello := parser.receive(piece)) is not None:
                return hello
        except BadHandshake as refusal:
            return str(refusal)
    return None


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_waited_on(wire: bytes) -> None:
    assert outcome([wire]) is None or isinstance(outcome([wire]), str)


@given(st.binary(max_size=200))
def test_random_bytes_in_a_client_hello_raise_nothing_but_our_error(body: bytes) -> None:
    result = outcome([record(message(body))])

    assert result is not None


@given(st.lists(st.tuples(st.sampled_from([0, 16, 43, 51]), st.binary(max_size=20))))
def test_random_extensions_raise_nothing_but_our_error(extensions: list[tuple[int, bytes]]) -> None:
    result = outcome([client_hello(*(extension(number, content) for number, content in extensions))])

    assert result is not None


@given(st.data())
def test_a_spoilt_client_hello_has_one_outcome_at_any_split(data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from([TLS12_CLIENT, BROWSER, records(message(client_hello_body(NAME)), 9)])))
    position = data.draw(st.integers(0, len(wire) - 1))
    wire[position] = data.draw(st.integers(0, 255))
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8))

    assert outcome([*cut_at(bytes(wire), cuts)]) == outcome([bytes(wire)])
