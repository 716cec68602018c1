import asyncio
import ssl
import threading
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.unit.certs.ca_material import (
    DAY,
    KEYS,
    NOW,
    P256_KEY,
    RSA_KEY,
    ca_files,
    key_pem,
    make_authority,
    make_ca_certificate,
    pem,
)
from tests.unit.certs.handshakes import end_cleanly, shake_hands, strict_client

from iron_proxy.certs import leaf_signer
from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_parsing import CAKey
from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.certs.once_per_host import DENIED_SIZE
from iron_proxy.certs.server_contexts import MAX_STORED_SESSIONS
from iron_proxy.errors import IronProxyError, StartupError

HOUR = 3600.0


class FakeClock:
    """Unix time that moves when told to."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _cache(
    clock: FakeClock, size: int = 3, authority: CertificateAuthority | None = None, lifetime_hours: int = 72
) -> LeafCache:
    return LeafCache(authority or make_authority(), size, lifetime_hours, clock=clock)


async def _admit(cache: LeafCache, *hosts: str) -> list[ssl.SSLContext]:
    return [await cache.context_for(host, False, True) for host in hosts]


def _leaf(cache_context: ssl.SSLContext, authority: CertificateAuthority, host: str) -> x509.Certificate:
    client_end, _ = shake_hands(cache_context, strict_client(authority.certificate), host)
    certificate = client_end.getpeercert(True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate)


@pytest.mark.parametrize(("host", "is_ip"), [("a.test", False), ("127.0.1.9", True), ("2001:db8::1", True)])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_a_strict_client_accepts_what_is_served(key: CAKey, host: str, is_ip: bool, clock: FakeClock) -> None:
    authority = make_authority(key)

    context = await _cache(clock, authority=authority).context_for(host, is_ip, True)

    assert _leaf(context, authority, host).not_valid_after_utc == NOW + timedelta(hours=72)


async def test_a_second_call_gives_the_same_object(clock: FakeClock) -> None:
    cache = _cache(clock)

    first, second = await _admit(cache, "a.test", "a.test")

    assert second is first
    assert cache.cached("a.test") is first


async def test_a_host_not_seen_is_not_cached(clock: FakeClock) -> None:
    assert _cache(clock).cached("a.test") is None


async def test_the_least_recently_used_host_leaves_first(clock: FakeClock) -> None:
    cache = _cache(clock, size=3)
    await _admit(cache, "a.test", "b.test", "c.test")

    cache.cached("a.test")
    await _admit(cache, "d.test")

    assert cache.cached("b.test") is None
    assert None not in [cache.cached(host) for host in ("a.test", "c.test", "d.test")]


async def test_a_negative_size_is_no_limit(clock: FakeClock) -> None:
    cache = _cache(clock, size=-1)
    hosts = [f"{number}.test" for number in range(DENIED_SIZE + 10)]

    await _admit(cache, *hosts)

    assert None not in [cache.cached(host) for host in hosts]


@pytest.mark.parametrize(("size", "kept"), [(3, 3), (-1, DENIED_SIZE)], ids=["small", "unlimited"])
async def test_denied_hosts_flush_each_other_and_no_admitted_one(size: int, kept: int, clock: FakeClock) -> None:
    cache = _cache(clock, size=size)
    (admitted,) = await _admit(cache, "good.test")
    invented = [f"{number}.evil.test" for number in range(DENIED_SIZE + 10)]

    for host in invented:
        await cache.context_for(host, False, False)

    assert cache.cached("good.test") is admitted
    assert [host for host in invented if cache.cached(host) is not None] == invented[-kept:]


async def test_a_denied_host_is_found_again(clock: FakeClock) -> None:
    cache = _cache(clock)

    context = await cache.context_for("evil.test", False, False)

    assert cache.cached("evil.test") is context
    assert await cache.context_for("evil.test", False, True) is context


async def test_a_leaf_is_replaced_at_two_thirds_of_its_life(clock: FakeClock) -> None:
    cache = _cache(clock, lifetime_hours=72)
    (first,) = await _admit(cache, "a.test")

    clock.now += 48 * HOUR - 1
    assert cache.cached("a.test") is first
    clock.now += 1
    assert cache.cached("a.test") is None

    (second,) = await _admit(cache, "a.test")
    assert second is not first
    assert cache.cached("a.test") is second


async def test_a_hit_does_not_lengthen_a_leafs_life(clock: FakeClock) -> None:
    cache = _cache(clock)
    await _admit(cache, "a.test")

    found = []
    for _ in range(48):
        clock.now += HOUR
        found.append(cache.cached("a.test") is not None)

    assert found == [True] * 47 + [False]


async def test_near_the_cas_end_leaves_live_shorter(clock: FakeClock) -> None:
    authority = make_authority(chain=[make_ca_certificate(ends=NOW + timedelta(hours=3))])
    cache = _cache(clock, authority=authority)
    (context,) = await _admit(cache, "a.test")

    clock.now += 2 * HOUR

    assert _leaf(context, authority, "a.test").not_valid_after_utc == authority.not_after
    assert cache.cached("a.test") is None


async def test_after_the_cas_end_there_are_no_leaves(clock: FakeClock) -> None:
    cache = _cache(clock, authority=make_authority(chain=[make_ca_certificate(ends=NOW + DAY)]))
    await _admit(cache, "a.test")

    clock.now += 24 * HOUR

    assert cache.cached("a.test") is None
    with pytest.raises(IronProxyError, match=r"generating cert for a\.test: the CA certificate expired"):
        await _admit(cache, "a.test")


async def test_a_clock_that_is_set_back_brings_a_new_leaf(clock: FakeClock) -> None:
    cache = _cache(clock)
    await _admit(cache, "a.test")

    clock.now -= 61

    assert cache.cached("a.test") is None


async def test_a_lifetime_beyond_all_dates_is_the_cas_own(clock: FakeClock) -> None:
    authority = make_authority()
    cache = _cache(clock, authority=authority, lifetime_hours=2**62)

    (context,) = await _admit(cache, "a.test")

    assert _leaf(context, authority, "a.test").not_valid_after_utc == authority.not_after


async def test_a_context_that_holds_too_many_sessions_is_replaced(clock: FakeClock) -> None:
    authority = make_authority()
    cache = _cache(clock, authority=authority)
    (worn,) = await _admit(cache, "a.test")
    client = strict_client(authority.certificate)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.options |= ssl.OP_NO_TICKET

    for _ in range(MAX_STORED_SESSIONS):
        end_cleanly(*shake_hands(worn, client, "a.test"))

    assert cache.cached("a.test") is None


async def test_all_leaves_have_one_key(clock: FakeClock) -> None:
    authority = make_authority()
    cache = _cache(clock, authority=authority)

    leaves = [_leaf(context, authority, host) for host in "ab" for context in await _admit(cache, host)]

    assert leaves[0].public_key() == leaves[1].public_key()
    assert isinstance(leaves[0].public_key(), ec.EllipticCurvePublicKey)


class CountingAuthority(CertificateAuthority):
    """Signs like any other, says when and where, and may be told to wait."""

    gate: threading.Event | None = None
    failures = 0

    def sign_leaf(self, host: str, *arguments: Any) -> x509.Certificate:
        vars(self).setdefault("signed", []).append((host, threading.current_thread() is threading.main_thread()))
        if self.gate is not None:
            self.gate.wait(timeout=5)  # a failing test is not to hang
        if self.failures:
            self.failures -= 1
            raise IronProxyError("refused")
        return super().sign_leaf(host, *arguments)

    def signed_for(self, host: str) -> list[bool]:
        return [in_main_thread for signed_host, in_main_thread in vars(self)["signed"] if signed_host == host]


def _counting(key: CAKey) -> CountingAuthority:
    return CountingAuthority.from_files(ca_files(pem(make_ca_certificate(key)), key_pem(key)))


@pytest.mark.parametrize(("key", "in_main_thread"), [(P256_KEY, True), (RSA_KEY, False)], ids=["EC", "RSA"])
async def test_fifty_callers_at_once_get_one_leaf(key: CAKey, in_main_thread: bool, clock: FakeClock) -> None:
    authority = _counting(key)
    cache = _cache(clock, authority=authority)

    contexts = await asyncio.gather(*(cache.context_for("a.test", False, True) for _ in range(50)))

    assert len({id(context) for context in contexts}) == 1
    assert authority.signed_for("a.test") == [in_main_thread]


async def _until_signing(authority: CountingAuthority, host: str) -> None:
    while not authority.signed_for(host):
        await asyncio.sleep(0)


async def test_hits_do_not_wait_behind_misses(clock: FakeClock) -> None:
    authority = _counting(RSA_KEY)
    cache = _cache(clock, authority=authority)
    (hit,) = await _admit(cache, "hit.test")
    authority.gate = threading.Event()

    async with asyncio.TaskGroup() as tasks:
        miss = tasks.create_task(cache.context_for("miss.test", False, True))
        await _until_signing(authority, "miss.test")
        found = await cache.context_for("hit.test", False, True)
        miss_was_pending = not miss.done()
        authority.gate.set()

    assert found is hit
    assert miss_was_pending


async def test_slow_signings_leave_threads_for_others(clock: FakeClock) -> None:
    authority = _counting(RSA_KEY)
    cache = _cache(clock, size=10, authority=authority)
    authority.gate = threading.Event()

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(cache.context_for(f"{number}.test", False, True))
        await _until_signing(authority, "1.test")
        await asyncio.to_thread(lambda: None)  # a thread is free
        signing = [number for number in range(5) if authority.signed_for(f"{number}.test")]
        authority.gate.set()

    assert signing == [0, 1]
    assert all(cache.cached(f"{number}.test") for number in range(5))


async def test_a_caller_that_is_cancelled_does_not_fail_those_who_wait(clock: FakeClock) -> None:
    authority = _counting(RSA_KEY)
    cache = _cache(clock, authority=authority)
    authority.gate = threading.Event()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(cache.context_for("a.test", False, True))
        second = tasks.create_task(cache.context_for("a.test", False, True))
        await _until_signing(authority, "a.test")
        first.cancel()
        authority.gate.set()

    assert first.cancelled()
    assert second.result() is cache.cached("a.test")


async def test_a_failure_is_not_remembered(clock: FakeClock) -> None:
    authority = _counting(P256_KEY)
    cache = _cache(clock, authority=authority)
    authority.failures = 1

    with pytest.raises(IronProxyError, match="refused"):
        await _admit(cache, "a.test")

    assert cache.cached("a.test") is None
    assert await _admit(cache, "a.test") == [cache.cached("a.test")]


async def test_nothing_is_kept_about_hosts_nobody_waits_for(clock: FakeClock) -> None:
    cache = _cache(clock)

    await _admit(cache, "a.test", "b.test")

    assert cache._contexts.being_made == 0


def test_a_ca_that_tls_does_not_accept_is_refused_at_start(clock: FakeClock) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)

    with pytest.raises(
        StartupError, match=r"^the CA cannot be used for TLS: generating cert for start\.invalid: ca key too small"
    ):
        _cache(clock, authority=make_authority(weak))


async def test_running_out_of_descriptors_is_told_as_ours(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _cache(clock)

    def refuse(*arguments: object) -> ssl.SSLContext:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(leaf_signer, "build_server_context", refuse)

    with pytest.raises(IronProxyError, match=r"^generating cert for a\.test: too many open files"):
        await _admit(cache, "a.test")


async def test_the_protocols_offered_are_the_callers_choice(clock: FakeClock) -> None:
    authority = make_authority()
    cache = LeafCache(authority, 3, 72, clock=clock, alpn=("h2", "http/1.1"))
    client = strict_client(authority.certificate)
    client.set_alpn_protocols(["h2"])

    (context,) = await _admit(cache, "a.test")
    client_end, _ = shake_hands(context, client, "a.test")

    assert client_end.selected_alpn_protocol() == "h2"
