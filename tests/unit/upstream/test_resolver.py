"""Names to addresses: literals, localhost, files, and a real server on loopback for everything else."""

import asyncio
import threading
from pathlib import Path

import pytest
import uvloop
from tests.fakes.dns_upstream import NXDOMAIN, SERVFAIL, SILENT, Alias, ByType, Entry, FakeDNSUpstream, Truncated

from iron_proxy.errors import ConfigError, UpstreamUnreachable
from iron_proxy.upstream import resolver as resolver_module
from iron_proxy.upstream.name_files import WatchedFile, build_dns_resolver, parse_resolv_conf
from iron_proxy.upstream.resolver import AddressFamily, NoSuchHost, Resolver, SystemResolver, UpstreamResolver

MANY = [f"10.0.{i}.1" for i in range(200)]


async def resolved(entry: Entry) -> list[str]:
    async with FakeDNSUpstream({"ok.test": entry}) as upstream:
        return await UpstreamResolver(upstream.address).resolve("ok.test")


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "QUERY_DEADLINE", 0.05)


# --- what needs no server -------------------------------------------------------------------------------------------


class NoServer:
    """An address that nobody answers at: a question sent there would time out."""

    address = "127.0.0.1:9"


@pytest.mark.parametrize("host", ["10.0.0.7", "::1", "2001:db8::1"])
async def test_an_ip_literal_is_its_own_answer(host: str) -> None:
    for resolver in (UpstreamResolver(NoServer.address), SystemResolver("/nonexistent", "/nonexistent")):
        assert await resolver.resolve(host) == [host]


@pytest.mark.parametrize("host", ["localhost", "app.localhost"])
async def test_localhost_is_loopback_whatever_server_or_file_says(host: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"169.254.169.254 {host}\n")
    async with FakeDNSUpstream({host: ["169.254.169.254"]}) as upstream:
        resolvers: list[Resolver] = [UpstreamResolver(upstream.address), SystemResolver(str(tmp_path / "hosts"))]

        for resolver in resolvers:
            assert await resolver.resolve(host) == ["127.0.0.1", "::1"]
            assert await resolver.lookup(host, "A") == ["127.0.0.1"]
            assert await resolver.lookup(host, "AAAA") == ["::1"]

    assert upstream.queries == []


# --- one upstream server --------------------------------------------------------------------------------------------


async def test_both_families_are_asked_for_and_interleaved_ipv4_first() -> None:
    async with FakeDNSUpstream({"ok.test": ["fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2", "10.0.0.3"]}) as upstream:
        addresses = await UpstreamResolver(upstream.address).resolve("ok.test")

    assert addresses == ["10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2", "10.0.0.3"]
    assert sorted(upstream.queries) == [("ok.test", "A", "udp"), ("ok.test", "AAAA", "udp")]


async def test_a_thousand_dials_at_once_are_one_lookup() -> None:
    async with FakeDNSUpstream({"ok.test": ["10.0.0.1"]}) as upstream:
        resolver = UpstreamResolver(upstream.address)
        found = await asyncio.gather(*(resolver.resolve("ok.test") for _ in range(1000)))

    assert found == [["10.0.0.1"]] * 1000
    assert sorted(upstream.queries) == [("ok.test", "A", "udp"), ("ok.test", "AAAA", "udp")]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (["10.0.0.1"], ["10.0.0.1"]),
        (["fd00::1"], ["fd00::1"]),
        (ByType(a=["10.0.0.1"], aaaa=SILENT), ["10.0.0.1"]),
        (ByType(a=["10.0.0.1"], aaaa=SERVFAIL), ["10.0.0.1"]),
        (ByType(a=["10.0.0.1"], aaaa=NXDOMAIN), ["10.0.0.1"]),
        (ByType(a=NXDOMAIN, aaaa=["fd00::1"]), ["fd00::1"]),
        (ByType(a=SERVFAIL, aaaa=["fd00::1"]), ["fd00::1"]),
        (Alias("target.test"), ["10.0.0.9"]),
        (Truncated(MANY), MANY),
    ],
    ids=[
        "IPv4 only",
        "IPv6 only",
        "AAAA silent",
        "AAAA fails",
        "AAAA does not exist",
        "A does not exist",
        "A fails",
        "through a CNAME",
        "truncated, then whole over TCP",
    ],
)
async def test_one_family_failing_does_not_lose_the_other(entry: Entry, expected: list[str]) -> None:
    async with FakeDNSUpstream({"ok.test": entry, "target.test": ["10.0.0.9"]}) as upstream:
        addresses = await UpstreamResolver(upstream.address).resolve("ok.test")

    assert sorted(addresses) == sorted(expected)


async def test_ipv6_addresses_survive_an_ipv4_server_that_is_silent(short_deadlines: None) -> None:
    assert await resolved(ByType(a=SILENT, aaaa=["fd00::1"])) == ["fd00::1"]


async def test_truncation_turns_to_tcp() -> None:
    async with FakeDNSUpstream({"ok.test": Truncated(["10.0.0.1"])}) as upstream:
        await UpstreamResolver(upstream.address).lookup("ok.test", "A")

    assert upstream.queries == [("ok.test", "A", "udp"), ("ok.test", "A", "tcp")]


@pytest.mark.parametrize("entry", [NXDOMAIN, []], ids=["NXDOMAIN", "no addresses"])
async def test_a_name_without_any_address_is_no_such_host(entry: Entry) -> None:
    with pytest.raises(NoSuchHost, match=r"^lookup ok\.test: no such host$"):
        await resolved(entry)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (SILENT, "lookup ok.test: timed out"),
        (SERVFAIL, "lookup ok.test: server failure"),
        (ByType(a=[], aaaa=SERVFAIL), "lookup ok.test: server failure"),
        (ByType(a=SERVFAIL, aaaa=NXDOMAIN), "lookup ok.test: server failure"),
    ],
    ids=["silence", "SERVFAIL", "nothing and SERVFAIL", "SERVFAIL and NXDOMAIN"],
)
async def test_a_failing_server_is_named_as_such(entry: Entry, text: str, short_deadlines: None) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await resolved(entry)

    assert str(caught.value) == text
    assert not isinstance(caught.value, NoSuchHost)


async def test_the_deadline_over_all_questions_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "TOTAL_DEADLINE", 0.05)

    with pytest.raises(UpstreamUnreachable, match="timed out"):
        await resolved(SILENT)


@pytest.mark.parametrize(("family", "expected"), [("A", ["10.0.0.1"]), ("AAAA", ["fd00::1"])], ids=["IPv4", "IPv6"])
async def test_a_lookup_asks_for_its_own_family_only(family: AddressFamily, expected: list[str]) -> None:
    async with FakeDNSUpstream({"ok.test": ["10.0.0.1", "fd00::1"]}) as upstream:
        addresses = await UpstreamResolver(upstream.address).lookup("ok.test", family)

    assert addresses == expected
    assert upstream.queries == [("ok.test", family, "udp")]


async def test_a_lookup_tells_no_addresses_from_no_such_host() -> None:
    async with FakeDNSUpstream({"ok.test": ["10.0.0.1"]}) as upstream:
        resolver = UpstreamResolver(upstream.address)

        assert await resolver.lookup("ok.test", "AAAA") == []
        with pytest.raises(NoSuchHost):
            await resolver.lookup("nx.test", "AAAA")


async def test_every_resolution_asks_anew() -> None:
    answers = iter([["127.0.1.1"], ["127.0.0.5"]])
    async with FakeDNSUpstream({"rebind.test": ByType(a=lambda: next(answers))}) as upstream:
        resolver = UpstreamResolver(upstream.address)

        assert await resolver.resolve("rebind.test") == ["127.0.1.1"]
        assert await resolver.resolve("rebind.test") == ["127.0.0.5"]


async def test_a_name_without_a_dot_is_asked_for_as_it_is() -> None:
    async with FakeDNSUpstream({"db": ["10.0.0.1"]}) as upstream:
        await UpstreamResolver(upstream.address).resolve("db")

    assert upstream.names_asked() == {"db"}


async def test_a_name_that_dns_cannot_carry_fails_as_ours() -> None:
    with pytest.raises(UpstreamUnreachable):
        await UpstreamResolver(NoServer.address).resolve("a" * 64 + ".test")


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:1_0", "dns.test:53", "::1:53", ":53"],
)
def test_a_server_that_is_not_an_address_with_a_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r'dns\.upstream_resolver must be "ip:port"'):
        UpstreamResolver(text)


def test_an_ipv6_server_is_written_in_brackets() -> None:
    UpstreamResolver("[::1]:53")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_many_lookups_hold_no_thread_and_do_not_wait_for_silent_ones(new_loop: object) -> None:
    async def resolve_many() -> list[str]:
        entries: dict[str, Entry] = {"*.ok.test": ["10.0.0.1"], "slow.test": SILENT, "big.test": Truncated(MANY)}
        async with FakeDNSUpstream(entries) as upstream, asyncio.TaskGroup() as tasks:
            resolver = UpstreamResolver(upstream.address)
            silent = [tasks.create_task(resolver.resolve("slow.test")) for _ in range(30)]
            found = await asyncio.gather(*(resolver.resolve(f"{i}.ok.test") for i in range(30)))
            assert len(await resolver.resolve("big.test")) == len(MANY)
            for task in silent:
                task.cancel()
            return [addresses[0] for addresses in found]

    threads = threading.active_count()
    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]  # uvloop ships no types
        found = runner.run(resolve_many())

    assert found == ["10.0.0.1"] * 30
    assert threading.active_count() == threads


# --- the system's files ---------------------------------------------------------------------------------------------


async def test_the_hosts_file_comes_first_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.7 db.test Alias.Test # note\nfd00::7\tdb.test\n")
    resolver = SystemResolver(str(hosts), "/nonexistent")

    assert await resolver.resolve("db.test") == ["10.0.0.7", "fd00::7"]
    assert await resolver.lookup("db.test", "AAAA") == ["fd00::7"]
    assert await resolver.resolve("alias.test") == ["10.0.0.7"]
    hosts.write_text("10.0.0.88 db.test\n")
    assert await resolver.resolve("db.test") == ["10.0.0.88"]


async def test_other_names_go_to_the_servers_of_resolv_conf(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeDNSUpstream({"ok.test": ["10.0.0.1"], "db.corp.test": ["10.0.0.2"]}) as upstream:
        port = int(upstream.address.rpartition(":")[2])
        dns_resolver = build_dns_resolver(("127.0.0.1",), port)
        dns_resolver.search = parse_resolv_conf("search first.test corp.test").search
        resolver = SystemResolver("/nonexistent", "/nonexistent")
        monkeypatch.setattr(resolver, "_resolv_conf", WatchedFile("/nonexistent", lambda _: dns_resolver))

        assert await resolver.resolve("ok.test") == ["10.0.0.1"]
        assert await resolver.lookup("db", "A") == ["10.0.0.2"]
        with pytest.raises(NoSuchHost):
            await resolver.resolve("nx.test")

    # A full name never gets a suffix; a single label gets each in turn.
    assert upstream.names_asked() == {"ok.test", "db.first.test", "db.corp.test", "nx.test"}
