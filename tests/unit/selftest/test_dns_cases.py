import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.fakes.name_server import reply_to
from tests.fakes.selftest_world import ADDRESS, CLOSED

from iron_proxy.selftest.dns_cases import outside_server, over_https, tunnel_labels
from iron_proxy.selftest.place import Outside, Place
from iron_proxy.selftest.questions import KNOWN_NAME, computed_address
from iron_proxy.selftest.trial import Trial

RUN = "0123456789abcdef"
BARE = Place(RUN, timeout=1.0, outside=Outside(addresses=(), resolvers=(), zone="zone.test"))


@contextmanager
def answering(address: str) -> Iterator[int]:
    """The port of a name server that has one address for every name, and nothing of another type."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESS, 0))

        def serve() -> None:
            while (received := sock.recvfrom(4096))[0]:
                query, client = received
                name = query[12:].partition(b"\0")[0]
                is_a = query[12 + len(name) + 1 :][:2] == b"\0\1"
                owner = ".".join(_labels(name))
                sock.sendto(reply_to(query, [f"{owner}. 60 IN A {address}"] if is_a else []), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        sock.sendto(b"", sock.getsockname())
        thread.join()


def _labels(name: bytes) -> Iterator[str]:
    while name:
        yield name[1 : 1 + name[0]].decode()
        name = name[1 + name[0] :]


def try_server(address: str, root: Path) -> tuple[Trial, Trial]:
    with answering(address) as port:
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/resolv.conf").write_text(f"nameserver {ADDRESS}\n")
        outside = replace(BARE.outside, resolvers=(ADDRESS,), dns_port=port)
        place = replace(BARE, outside=outside, root=root)
        direct, tunnel = Trial(place, "dns-direct"), Trial(place, "dns-tunnel")
        outside_server(place, direct)
        tunnel_labels(place, tunnel)
    return direct, tunnel


def test_a_public_server_that_knows_the_known_name_has_answered(tmp_path: Path) -> None:
    direct, tunnel = try_server("1.1.1.1", tmp_path)

    assert KNOWN_NAME == "one.one.one.one"
    assert direct.proofs == [f"{ADDRESS} answered a question"]
    assert tunnel.proofs == []


def test_a_server_that_gives_its_own_address_for_every_name_asks_nobody(tmp_path: Path) -> None:
    direct, tunnel = try_server("127.0.0.1", tmp_path)

    assert direct.proofs == tunnel.proofs == []


def test_an_address_that_is_computed_from_the_name_proves_the_tunnel(tmp_path: Path) -> None:
    _, tunnel = try_server(computed_address(RUN), tmp_path)

    assert len(tunnel.notes) == 5
    assert tunnel.proofs == [f"{ADDRESS} answered with an address that only the zone's own server can know"]


def test_without_a_resolver_there_is_nothing_to_test(tmp_path: Path) -> None:
    trial = Trial(replace(BARE, root=tmp_path), "dns-tunnel")

    tunnel_labels(trial.place, trial)

    assert trial.obstacle == "resolv.conf names no server"


def test_resolvers_are_asked_by_https_too() -> None:
    trial = Trial(replace(BARE, outside=replace(BARE.outside, resolvers=(CLOSED,))), "dns-over-https")

    over_https(trial.place, trial)

    assert trial.notes == [f"POST https://{CLOSED}:443/dns-query: connection refused"]
