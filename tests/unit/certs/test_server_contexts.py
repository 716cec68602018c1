import errno
import os
import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.certs.ca_material import DAY, NOW, P256_KEY, key_pem, make_authority, pem
from tests.unit.certs.handshakes import end_cleanly, shake_hands, strict_client

from iron_proxy.certs import server_contexts
from iron_proxy.certs.server_contexts import MAX_STORED_SESSIONS, build_server_context, is_worn_out

HOST = "api.example.com"
LEAF_KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = make_authority()
LEAF = AUTHORITY.sign_leaf(HOST, False, LEAF_KEY.public_key(), DAY, NOW)
CHAIN_PEM = pem(LEAF) + AUTHORITY.chain_pem


def _server(alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    return build_server_context(CHAIN_PEM, key_pem(LEAF_KEY), alpn)


def _client(**attributes: object) -> ssl.SSLContext:
    context = strict_client(AUTHORITY.certificate)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def test_the_leaf_is_what_the_client_sees() -> None:
    client_end, _ = shake_hands(_server(), _client(), HOST)

    assert client_end.getpeercert(True) == ssl.PEM_cert_to_DER_cert(pem(LEAF).decode())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_current_versions_are_spoken(version: ssl.TLSVersion) -> None:
    client_end, _ = shake_hands(_server(), _client(maximum_version=version), HOST)

    assert client_end.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def _client_of_old(version: str) -> ssl.SSLContext:
    context = _client()
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that OpenSSL lets the client ask at all
    with pytest.warns(DeprecationWarning, match=version):
        context.minimum_version = ssl.TLSVersion[version]
    with pytest.warns(DeprecationWarning, match=version):
        context.maximum_version = ssl.TLSVersion[version]
    return context


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(version: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unsupported.protocol|alert"):
        shake_hands(_server(), _client_of_old(version), HOST)


@pytest.mark.parametrize(
    "ciphers", ["ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256", "aNULL", "ECDHE-RSA-AES128-GCM-SHA256"]
)
def test_weak_ciphers_are_refused(ciphers: str) -> None:
    client = _client(maximum_version=ssl.TLSVersion.TLSv1_2)
    client.set_ciphers(ciphers + ":@SECLEVEL=0")

    with pytest.raises(ssl.SSLError, match=r"(?i)no.shared.cipher|alert"):
        shake_hands(_server(), client, HOST)


@pytest.mark.parametrize(
    ("served", "asked", "chosen"),
    [
        (("http/1.1",), ["h2", "http/1.1"], "http/1.1"),
        (("http/1.1",), ["http/1.1"], "http/1.1"),
        (("http/1.1",), ["h2"], None),
        (("http/1.1",), ["acme-tls/1"], None),
        (("http/1.1",), [], None),
        (("h2", "http/1.1"), ["http/1.1", "h2"], "h2"),
    ],
    ids=["h2 and 1.1", "1.1", "h2 alone", "acme", "none", "h2 when served"],
)
def test_only_the_protocols_we_serve_are_agreed_on(
    served: tuple[str, ...], asked: list[str], chosen: str | None
) -> None:
    client = _client()
    if asked:
        client.set_alpn_protocols(asked)

    _, server_end = shake_hands(_server(served), client, HOST)

    assert server_end.selected_alpn_protocol() == chosen


def test_compression_and_renegotiation_are_off_and_no_client_certificate_is_asked_for() -> None:
    context = _server()

    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode is ssl.CERT_NONE


def test_session_keys_are_not_logged_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    shake_hands(context := _server(), _client(), HOST)

    assert context.keylog_filename is None
    assert list(tmp_path.iterdir()) == []


def _resumable_session(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLSession:
    client_end, server_end = shake_hands(server, client, HOST)
    server_end.write(b"x")
    client_end.read(1)  # TLS 1.3 tickets come with the first data
    assert client_end.session is not None
    return client_end.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_is_resumed_with_its_own_context_and_with_no_other(version: ssl.TLSVersion) -> None:
    server, client = _server(), _client(maximum_version=version)
    session = _resumable_session(server, client)

    own, _ = shake_hands(server, client, HOST, session)
    other, _ = shake_hands(_server(), client, HOST, session)

    assert own.session_reused
    assert not other.session_reused


def test_a_context_is_worn_out_when_it_has_stored_too_many_sessions() -> None:
    server, client = _server(), _client(maximum_version=ssl.TLSVersion.TLSv1_2)
    client.options |= ssl.OP_NO_TICKET

    for _ in range(MAX_STORED_SESSIONS - 1):
        end_cleanly(*shake_hands(server, client, HOST))

    assert not is_worn_out(server)
    end_cleanly(*shake_hands(server, client, HOST))
    assert is_worn_out(server)


def test_clients_with_tickets_wear_nothing_out() -> None:
    server, client = _server(), _client()

    for _ in range(3):
        end_cleanly(*shake_hands(server, client, HOST))

    assert server.session_stats()["number"] == 0


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM], ids=["old kernel", "seccomp"])
def test_without_memory_files_a_private_temporary_file_serves_and_is_removed(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> int:
        raise OSError(code, name)

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    shake_hands(_server(), _client(), HOST)

    assert list(tmp_path.iterdir()) == []


def test_without_proc_a_temporary_file_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with server_contexts._as_file(b"key") as path:
        assert Path(path).read_bytes() == b"key"
        assert Path(path).stat().st_mode & 0o777 == 0o600

    assert list(tmp_path.iterdir()) == []


def test_no_key_is_put_on_disk_when_descriptors_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise OSError(errno.EMFILE, name)

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)

    with pytest.raises(OSError, match="iron-proxy leaf"):
        _server()


def test_no_descriptor_is_left_open() -> None:
    before = set(os.listdir("/dev/fd"))

    _server()

    assert set(os.listdir("/dev/fd")) == before


def test_a_chain_that_does_not_fit_the_key_is_refused() -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
        build_server_context(CHAIN_PEM, key_pem(P256_KEY))
