"""Whose certificates count for which host, and what we show of our own."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tests.fakes.loopback import RecordingServer, authority, closed, connected_streams, server_context

from iron_proxy.config.schema import TLSVersion, UpstreamTLSConfig, UpstreamTLSHostConfig
from iron_proxy.errors import StartupError
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream import trust as trust_module
from iron_proxy.upstream.trust import HTTP1, HTTP2_OR_1, OneContext, UpstreamTrust, client_context

LONG = 5.0
Handshake = tuple[TLSStream, str]


@pytest.fixture(autouse=True)
def no_system_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that trusts `authority()`, and nobody else."""
    write(tmp_path / "system.pem", authority())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))


def write(path: Path, ca: trustme.CA) -> str:
    ca.cert_pem.write_to_path(str(path))
    return str(path)


async def is_accepted(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "ok.test") -> bool:
    """Whether both ends of a handshake are satisfied; a refused client certificate shows at the first read."""
    left, right = await connected_streams()
    ours = TLSStream(left, client, server_side=False, server_name=host)
    theirs = TLSStream(right, server, server_side=True)

    async def serve() -> None:
        await theirs.handshake(LONG)
        await theirs.write(b"x", LONG)

    try:
        ends = await asyncio.gather(ours.handshake(LONG), serve(), return_exceptions=True)
        if any(isinstance(end, StreamReset) for end in ends):
            return False
        return await ours.read(LONG) == b"x"
    finally:
        await closed(ours, theirs)


# --- the context without a configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build", [client_context, lambda: UpstreamTrust().context_for("ok.test", HTTP1)], ids=["alone", "chosen"]
)
def test_peers_are_always_verified_by_name_and_the_oldest_versions_refused(
    build: Callable[[], ssl.SSLContext],
) -> None:
    context = build()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not context.hostname_checks_common_name


def test_session_keys_are_never_written_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    assert client_context().keylog_filename is None


@pytest.mark.parametrize("trusted", [True, False], ids=["the CA that signed", "another CA"])
async def test_the_roots_are_those_that_ssl_cert_file_names(trusted: bool) -> None:
    ca = authority() if trusted else trustme.CA()

    assert await is_accepted(client_context(), server_context("ok.test", ca=ca)) is trusted


async def test_without_system_roots_nobody_is_trusted() -> None:
    assert not await is_accepted(client_context(system_roots=False), server_context("ok.test"))


@pytest.mark.parametrize(
    ("offer", "agreed"), [(HTTP1, "http/1.1"), (HTTP2_OR_1, "h2")], ids=["http/1.1 alone", "h2 first"]
)
async def test_what_is_offered_is_what_was_asked_for(offer: tuple[str, ...], agreed: str) -> None:
    context = server_context("ok.test")
    context.set_alpn_protocols(["h2", "http/1.1"])

    async with RecordingServer(tls=context) as server:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(SocketStream, "127.0.0.1", server.port)
        ours = UpstreamTrust().context_for("ok.test", offer)
        client = TLSStream(stream, ours, server_side=False, server_name="ok.test")
        await asyncio.gather(client.handshake(LONG), server.accepted())

        assert client.alpn == agreed
        await closed(client)


def test_one_context_serves_every_host() -> None:
    context = client_context()
    trust = OneContext(context)

    assert trust.context_for("a.test", HTTP1) is trust.context_for("b.test", HTTP2_OR_1) is context


# --- by host --------------------------------------------------------------------------------------------------------


def host(
    pattern: str, *ca_files: str, system_roots: bool = True, min_version: TLSVersion = "1.2"
) -> UpstreamTLSHostConfig:
    return UpstreamTLSHostConfig(pattern, ca_files, system_roots, min_version=min_version)


@pytest.mark.parametrize(
    ("ca_files", "signed_by", "accepted"),
    [([], "system", True), ([], "private", False), (["private"], "system", True), (["private"], "private", True)],
)
async def test_further_cas_count_beside_the_systems(
    tmp_path: Path, ca_files: list[str], signed_by: str, accepted: bool
) -> None:
    private = trustme.CA()
    paths = tuple(write(tmp_path / f"{name}.pem", private) for name in ca_files)
    trust = UpstreamTrust(UpstreamTLSConfig(ca_files=paths))
    server = server_context("ok.test", ca=private if signed_by == "private" else authority())

    assert await is_accepted(trust.context_for("ok.test", HTTP1), server) is accepted


@pytest.mark.parametrize(
    ("name", "signed_by", "accepted"),
    [
        ("pinned.test", "private", True),
        ("pinned.test", "system", False),
        ("pinned.test", "general", False),
        ("sub.wide.test", "private", True),
        ("sub.wide.test", "system", True),
        ("sub.wide.test", "general", False),
        ("ok.test", "private", False),
        ("ok.test", "system", True),
        ("ok.test", "general", True),
    ],
)
async def test_the_first_entry_that_fits_counts_alone(
    tmp_path: Path, name: str, signed_by: str, accepted: bool
) -> None:
    authorities = {"system": authority(), "private": trustme.CA(), "general": trustme.CA()}
    private = write(tmp_path / "private.pem", authorities["private"])
    config = UpstreamTLSConfig(
        ca_files=(write(tmp_path / "general.pem", authorities["general"]),),
        hosts=(host("pinned.test", private, system_roots=False), host("*.wide.test", private), host("pinned.test")),
    )
    context = UpstreamTrust(config).context_for(name, HTTP1)

    assert await is_accepted(context, server_context(name, ca=authorities[signed_by]), name) is accepted


@pytest.mark.parametrize(
    ("name", "version", "accepted"),
    [
        ("strict.test", ssl.TLSVersion.TLSv1_2, False),
        ("strict.test", ssl.TLSVersion.TLSv1_3, True),
        ("ok.test", ssl.TLSVersion.TLSv1_2, True),
    ],
)
async def test_a_newer_minimum_is_kept(name: str, version: ssl.TLSVersion, accepted: bool) -> None:
    trust = UpstreamTrust(UpstreamTLSConfig(hosts=(host("strict.test", min_version="1.3"),)))
    server = server_context(name)
    server.maximum_version = version

    assert await is_accepted(trust.context_for(name, HTTP1), server, name) is accepted


async def test_an_intermediate_that_is_named_need_not_be_a_root(tmp_path: Path) -> None:
    intermediate = trustme.CA().create_child_ca()
    trust = UpstreamTrust(UpstreamTLSConfig(ca_files=(write(tmp_path / "ca.pem", intermediate),)))

    assert await is_accepted(trust.context_for("ok.test", HTTP1), server_context("ok.test", ca=intermediate))


# --- a certificate of our own ---------------------------------------------------------------------------------------


def identity(directory: Path, ca: trustme.CA) -> tuple[str, str]:
    """The paths of a client's certificate (with its chain) and key."""
    leaf = ca.issue_cert("client.test")
    certificate, key = directory / "client.pem", directory / "client.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(key))
    return str(certificate), str(key)


def demanding(ca: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context("ok.test")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    ca.configure_trust(context)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("place", "accepted"), [("everywhere", True), ("ok.test", True), ("other.test", False), ("nowhere", False)]
)
async def test_our_certificate_is_shown_where_it_is_configured(
    tmp_path: Path, version: ssl.TLSVersion, place: str, accepted: bool
) -> None:
    clients = trustme.CA()
    certificate, key = identity(tmp_path, clients)
    config = UpstreamTLSConfig()
    if place == "everywhere":
        config = UpstreamTLSConfig(client_cert=certificate, client_key=key)
    elif place != "nowhere":
        config = UpstreamTLSConfig(hosts=(UpstreamTLSHostConfig(place, client_cert=certificate, client_key=key),))
    context = UpstreamTrust(config).context_for("ok.test", HTTP1)

    assert await is_accepted(context, demanding(clients, version)) is accepted


def test_a_certificate_for_all_hosts_is_not_shown_to_a_host_with_an_entry(tmp_path: Path) -> None:
    certificate, key = identity(tmp_path, trustme.CA())
    trust = UpstreamTrust(UpstreamTLSConfig(client_cert=certificate, client_key=key, hosts=(host("apart.test"),)))

    assert trust.context_for("apart.test", HTTP1) is not trust.context_for("ok.test", HTTP1)


# --- the contexts themselves ----------------------------------------------------------------------------------------


def test_equal_settings_share_a_context() -> None:
    trust = UpstreamTrust(UpstreamTLSConfig(hosts=(host("a.test"), host("b.test"), host("c.test", min_version="1.3"))))

    assert trust.context_for("a.test", HTTP1) is trust.context_for("b.test", HTTP1) is trust.context_for("z", HTTP1)
    assert trust.context_for("a.test", HTTP1) is not trust.context_for("c.test", HTTP1)
    assert trust.context_for("a.test", HTTP1) is not trust.context_for("a.test", HTTP2_OR_1)


def test_files_are_not_needed_after_the_start(tmp_path: Path) -> None:
    ca_file = write(tmp_path / "ca.pem", trustme.CA())
    certificate, key = identity(tmp_path, trustme.CA())
    trust = UpstreamTrust(UpstreamTLSConfig((ca_file,), "1.2", certificate, key))
    for path in (ca_file, certificate, key):
        Path(path).unlink()

    for alpn in (HTTP1, HTTP2_OR_1):
        assert trust.context_for("ok.test", alpn).cert_store_stats()["x509_ca"] >= 1


def test_to_trust_nobody_is_refused() -> None:
    with pytest.raises(StartupError, match=r"proxy\.upstream_tls\.hosts\[1\]: trusts nobody"):
        UpstreamTrust(UpstreamTLSConfig(hosts=(host("a.test"), host("b.test", system_roots=False))))


def test_a_problem_names_the_entry_and_the_file(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")

    with pytest.raises(
        StartupError, match=r"proxy\.upstream_tls\.hosts\[0\]\.ca_files: reading .*missing\.pem: no such"
    ):
        UpstreamTrust(UpstreamTLSConfig(hosts=(host("a.test", missing),)))
    with pytest.raises(StartupError, match=r"proxy\.upstream_tls\.client_cert: reading .*missing\.pem"):
        UpstreamTrust(UpstreamTLSConfig(client_cert=missing, client_key=missing))


def test_a_certificate_that_openssl_does_not_take_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_module, "read_ca_certificates", lambda path, setting: [b"0\x03junk"])

    with pytest.raises(StartupError, match=r"^proxy\.upstream_tls\.ca_files: OpenSSL does not take"):
        UpstreamTrust(UpstreamTLSConfig(ca_files=("ca.pem",)))
