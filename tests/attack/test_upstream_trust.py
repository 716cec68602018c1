"""
TLS-09: an upstream that cannot prove its name sees no application data, straight or behind an outbound proxy.

The dialer and its trust in one process, so that each certificate can be made wrong in one way only.
"""

import asyncio
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.fakes.loopback import RecordingServer, closed
from tests.fakes.outbound_proxy import FakeHTTPProxy, FakeSOCKSProxy
from tests.fakes.resolver import FakeResolver

from iron_proxy.config.schema import UpstreamTLSConfig, UpstreamTLSHostConfig
from iron_proxy.errors import UpstreamTLSError
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.upstream.deny_list import DenyList
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.outbound_proxy import OutboundProxies
from iron_proxy.upstream.trust import UpstreamTrust

LONG = 5.0
ORIGIN = "127.0.1.1"
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
SECRET = b"Authorization: Bearer hunter2canary"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and the CAs between it and the root."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()


@dataclass
class Wanted:
    """A certificate to be made; the defaults are those of a good leaf for ok.test."""

    common_name: str = "ok.test"
    names: Sequence[x509.GeneralName] = (x509.DNSName("ok.test"),)
    issuer: Identity | None = None
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    starts: datetime.datetime = NOW - DAY
    ends: datetime.datetime = NOW + 30 * DAY
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    is_ca: bool = False
    path_length: int | None = None
    constraints: x509.NameConstraints | None = None

    def make(self) -> Identity:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)])
        issuer = self.issuer
        signing_key = issuer.key if issuer else self.key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.starts)
            .not_valid_after(self.ends)
            .add_extension(x509.BasicConstraints(self.is_ca, self.path_length), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        )
        if self.names:
            builder = builder.add_extension(x509.SubjectAlternativeName(self.names), critical=False)
        if not self.is_ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([self.usage]), critical=False)
        if self.constraints is not None:
            builder = builder.add_extension(self.constraints, critical=True)
        chain = (issuer.certificate, *issuer.chain) if issuer else ()
        return Identity(builder.sign(signing_key, hashes.SHA256()), self.key, chain)


def authority(
    name: str,
    issuer: Identity | None = None,
    path_length: int | None = None,
    constraints: x509.NameConstraints | None = None,
) -> Identity:
    return Wanted(name, (), issuer, is_ca=True, path_length=path_length, constraints=constraints).make()


@cache
def root() -> Identity:
    """What the system trusts in these tests."""
    return authority("A root")


def leaf(*names: str, **changes: object) -> Identity:
    wanted = Wanted(names=[x509.DNSName(name) for name in names or ("ok.test",)], issuer=root())
    for name, value in changes.items():
        setattr(wanted, name, value)
    return wanted.make()


def below_a_short_path() -> Identity:
    first = authority("May sign leaves only", root(), path_length=0)
    return leaf(issuer=authority("One too many", first))


def outside_its_constraints() -> Identity:
    permitted = x509.NameConstraints([x509.DNSName("other.test")], None)
    return leaf(issuer=authority("For other.test only", root(), constraints=permitted))


# sha256WithRSAEncryption and sha1WithRSAEncryption (RFC 8017 appendix A.2.4): of one length, so one can stand for the
# other.
_SHA256_WITH_RSA, _SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d01010b"), bytes.fromhex("06092a864886f70d010105")
_SHA1_DIGEST_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


def signed_with_sha1() -> Identity:
    """Signed by hand (RFC 8017 section 8.2.1): no library does it any more."""
    key = rsa.generate_private_key(65537, 2048)
    issuer = Wanted("An RSA authority", (), root(), key, is_ca=True).make()
    good = leaf(issuer=issuer)
    der = good.certificate.public_bytes(Encoding.DER).replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    to_sign = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    digest = _SHA1_DIGEST_INFO + hashlib.sha1(to_sign).digest()
    padded = b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest
    signature = pow(int.from_bytes(padded), key.private_numbers().d, key.public_key().public_numbers().n)
    certificate = x509.load_der_x509_certificate(der[:-256] + signature.to_bytes(256))
    return Identity(certificate, good.key, good.chain)


def self_signed() -> Identity:
    return Wanted().make()


BAD: dict[str, tuple[Callable[[], Identity], str]] = {
    "expired": (lambda: leaf(starts=NOW - 9 * DAY, ends=NOW - DAY), "expired"),
    "not yet valid": (lambda: leaf(starts=NOW + DAY), "not yet valid"),
    "self-signed": (self_signed, "self-signed certificate"),
    "an unknown root": (lambda: leaf(issuer=authority("Not trusted")), "self-signed certificate in certificate chain"),
    "another root of the same name": (lambda: leaf(issuer=authority("A root")), "certificate"),
    "another name": (lambda: leaf("other.test"), "hostname mismatch"),
    "a name below it": (lambda: leaf("www.ok.test"), "hostname mismatch"),
    "a wildcard below it": (lambda: leaf("*.ok.test"), "hostname mismatch"),
    "a wildcard over a top-level domain": (lambda: leaf("*.test"), "hostname mismatch"),
    "a bare wildcard": (lambda: leaf("*"), "hostname mismatch"),
    "a common name only": (lambda: leaf(names=()), "hostname mismatch"),
    "a name in a URI": (lambda: leaf(names=[x509.UniformResourceIdentifier("https://ok.test")]), "hostname mismatch"),
    "SHA-1": (signed_with_sha1, "too weak"),
    "1024-bit RSA": (lambda: leaf(key=rsa.generate_private_key(65537, 1024)), "too small|too short|too weak"),
    "for clients only": (lambda: leaf(usage=ExtendedKeyUsageOID.CLIENT_AUTH), "unsuitable certificate purpose"),
    "a path that is too long": (below_a_short_path, "path length constraint exceeded"),
    "signed by a leaf": (lambda: leaf(issuer=leaf()), "invalid CA certificate"),
    "outside its CA's names": (outside_its_constraints, "permitted subtree violation"),
}


def server_context(identity: Identity, directory: Path) -> ssl.SSLContext:
    """A server's context that shows whatever it is given, weak or not."""
    certificates = (identity.certificate, *identity.chain)
    file = directory / "origin.pem"
    file.write_bytes(
        identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(file)
    return context


@pytest.fixture(autouse=True)
def system_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "roots.pem").write_bytes(root().certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))


@pytest.fixture(params=["straight", "CONNECT", "CONNECT over TLS", "SOCKS5"])
async def proxies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OutboundProxies]:
    """The ways to an origin."""
    async with AsyncExitStack() as stack:
        proxy: FakeHTTPProxy | FakeSOCKSProxy | None = None
        if request.param == "SOCKS5":
            proxy = await stack.enter_async_context(FakeSOCKSProxy())
        elif request.param != "straight":
            (tmp_path / "proxy").mkdir()
            tls = server_context(leaf("proxy.test"), tmp_path / "proxy") if "TLS" in request.param else None
            proxy = await stack.enter_async_context(FakeHTTPProxy(tls=tls))
        if proxy is not None:
            proxy.leads_to.update(dict.fromkeys(("ok.test", "a.b.ok.test"), ORIGIN))
        url = "" if proxy is None else f"{proxy.scheme}://proxy.test:{proxy.port}"
        yield OutboundProxies.from_texts(https_proxy=url)


async def send_secret(
    origin: RecordingServer, proxies: OutboundProxies, host: str = "ok.test", config: UpstreamTLSConfig | None = None
) -> None:
    """What the proxy does with a request. Raises UpstreamTLSError."""
    names = {"ok.test": [ORIGIN], "a.b.ok.test": [ORIGIN], ORIGIN: [ORIGIN], "proxy.test": ["127.0.0.1"]}
    dialer = Dialer(FakeResolver(names), DenyList([]), UpstreamTrust(config), lambda address, port: False, proxies)
    stream = await dialer.dial(Permit(Target(host, origin.port, host == ORIGIN), "https", Admission("a rule")))
    try:
        await stream.write(SECRET, LONG)
    finally:
        await closed(stream)


async def received_by(origin: RecordingServer) -> bytes:
    """The application data that an origin gets, however the connection ends."""
    try:
        return await (await origin.accepted()).read(LONG)
    except StreamReset:
        return b""


async def attempt(
    identity: Identity,
    directory: Path,
    proxies: OutboundProxies,
    host: str = "ok.test",
    *,
    config: UpstreamTLSConfig | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tuple[BaseException | None, bytes]:
    """(the error, if any; what the origin got)."""
    tls = server_context(identity, directory)
    if version < tls.minimum_version:
        tls.minimum_version = version
    tls.maximum_version = version
    async with RecordingServer(ORIGIN, tls=tls) as origin:
        sent, received = await asyncio.gather(
            send_secret(origin, proxies, host, config), received_by(origin), return_exceptions=True
        )
    assert isinstance(received, bytes), received
    return sent, received


async def test_a_good_certificate_is_served(tmp_path: Path, proxies: OutboundProxies) -> None:
    assert await attempt(leaf(), tmp_path, proxies) == (None, SECRET)


@pytest.mark.parametrize(("identity", "reason"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
async def test_tls_09_a_bad_certificate_gets_no_application_data(
    tmp_path: Path, identity: Callable[[], Identity], reason: str, version: ssl.TLSVersion
) -> None:
    error, received = await attempt(identity(), tmp_path, OutboundProxies(), version=version)

    assert isinstance(error, UpstreamTLSError)
    assert any(word in str(error).lower() for word in reason.lower().split("|")), str(error)
    assert "hunter2" not in str(error)
    assert received == b""


@pytest.mark.parametrize("case", ["expired", "an unknown root", "another name", "for clients only"])
async def test_tls_09_a_bad_certificate_gets_no_application_data_over_any_way(
    tmp_path: Path, proxies: OutboundProxies, case: str
) -> None:
    error, received = await attempt(BAD[case][0](), tmp_path, proxies)

    assert isinstance(error, UpstreamTLSError)
    assert received == b""


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ([x509.DNSName("*.ok.test")], "a.b.ok.test"),
        ([x509.DNSName("*.b.ok.test"), x509.DNSName("a.*.ok.test")], "ok.test"),
        ([x509.DNSName("a.*.ok.test")], "a.b.ok.test"),
        ([x509.DNSName("*.*.ok.test")], "a.b.ok.test"),
        ([x509.DNSName(ORIGIN)], ORIGIN),
    ],
    ids=["a wildcard across two labels", "wildcards elsewhere", "one in the middle", "two", "an address as a name"],
)
async def test_tls_09_a_name_that_only_looks_right_gets_no_application_data(
    tmp_path: Path, names: Sequence[x509.GeneralName], host: str
) -> None:
    error, received = await attempt(leaf(names=names), tmp_path, OutboundProxies(), host)

    assert isinstance(error, UpstreamTLSError)
    assert received == b""


@pytest.mark.parametrize(
    ("minimum", "origins", "served"),
    [
        ("1.2", ssl.TLSVersion.TLSv1_1, False),
        ("1.2", ssl.TLSVersion.TLSv1_2, True),
        ("1.3", ssl.TLSVersion.TLSv1_2, False),
        ("1.3", ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_an_older_version_gets_no_application_data(
    tmp_path: Path, minimum: str, origins: ssl.TLSVersion, served: bool
) -> None:
    config = UpstreamTLSConfig(min_version="1.3" if minimum == "1.3" else "1.2")

    error, received = await attempt(leaf(), tmp_path, OutboundProxies(), config=config, version=origins)

    assert (error is None) is served
    assert received == (SECRET if served else b"")


async def test_a_host_with_a_ca_of_its_own_is_not_vouched_for_by_the_systems(tmp_path: Path) -> None:
    own = authority("Our own")
    file = tmp_path / "own.pem"
    file.write_bytes(own.certificate.public_bytes(Encoding.PEM))
    config = UpstreamTLSConfig(hosts=(UpstreamTLSHostConfig("ok.test", (str(file),), system_roots=False),))

    for_system = await attempt(leaf(), tmp_path, OutboundProxies(), config=config)
    for_own = await attempt(leaf(issuer=own), tmp_path, OutboundProxies(), config=config)

    assert isinstance(for_system[0], UpstreamTLSError)
    assert for_system[1] == b""
    assert for_own == (None, SECRET)


@pytest.mark.parametrize("shown", [True, False], ids=["with ours", "without"])
async def test_an_origin_that_demands_a_certificate_gets_ours_or_nothing(tmp_path: Path, shown: bool) -> None:
    ours = leaf("client.test", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    (tmp_path / "ours").mkdir()
    server_context(ours, tmp_path / "ours")  # writes the file
    file = str(tmp_path / "ours" / "origin.pem")
    tls = server_context(leaf(), tmp_path)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(tmp_path / "roots.pem")
    config = UpstreamTLSConfig(client_cert=file, client_key=file) if shown else None

    async with RecordingServer(ORIGIN, tls=tls) as origin:
        _, received = await asyncio.gather(
            send_secret(origin, OutboundProxies(), config=config), received_by(origin), return_exceptions=True
        )

    assert received == (SECRET if shown else b"")
