import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from tests.fakes.loopback import RecordingServer, authority, closed, connected_streams, server_context

from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.trust import client_context


def test_peers_are_always_verified_by_name_and_the_oldest_versions_refused() -> None:
    context = client_context()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not context.hostname_checks_common_name


def test_session_keys_are_never_written_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    assert client_context().keylog_filename is None


@pytest.mark.parametrize("trusted", [True, False], ids=["the CA that signed", "another CA"])
async def test_the_roots_are_those_that_ssl_cert_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    ca = authority() if trusted else trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))

    left, right = await connected_streams()
    client = TLSStream(left, client_context(), server_side=False, server_name="ok.test")
    server = TLSStream(right, server_context("ok.test"), server_side=True)
    ends = await asyncio.gather(client.handshake(5), server.handshake(5), return_exceptions=True)

    assert isinstance(ends[0], StreamReset) is not trusted
    await closed(client, server)


async def test_http_1_1_is_what_is_offered() -> None:
    context = server_context("ok.test")
    context.set_alpn_protocols(["h2", "http/1.1"])
    ours = client_context()
    authority().configure_trust(ours)

    async with RecordingServer(tls=context) as server:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(SocketStream, "127.0.0.1", server.port)
        client = TLSStream(stream, ours, server_side=False, server_name="ok.test")
        await asyncio.gather(client.handshake(5), server.accepted())

        assert client.alpn == "http/1.1"
        await closed(client)
