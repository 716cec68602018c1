"""`iron-proxy tproxy up` and `down` on a real kernel: idempotent, complete, and clear about what is missing."""

from collections.abc import Iterator

import pytest
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.routed_network import ROUTER_4, ROUTER_6, TO_CLIENTS, RoutedNetwork, why_not
from tests.fakes.running_proxy import ProxyCA, process_environment, write_configuration

WHY_NOT = why_not()
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.root,
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can"),
]
FLAGS = ("-proxy-ip", ROUTER_4, "-proxy-ip6", ROUTER_6, "-interface", TO_CLIENTS)
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-all")


@pytest.fixture(scope="module")
def made() -> Iterator[RoutedNetwork]:
    with RoutedNetwork() as network:
        yield network


@pytest.fixture
def network(made: RoutedNetwork) -> Iterator[RoutedNetwork]:
    yield made
    made.iron_proxy(made.router, "tproxy", "down")


def state(network: RoutedNetwork) -> str:
    """The rules, the rules of routing, and the routes of our table."""
    commands = (
        ("nft", "-s", "list", "ruleset"), ("ip", "-4", "rule"), ("ip", "-6", "rule"),
        ("ip", "-4", "route", "show", "table", "all"), ("ip", "-6", "route", "show", "table", "1051"),
    )  # fmt: skip
    return "\n".join(network.run(network.router, *command).stdout for command in commands)


def test_up_twice_is_up_once_and_down_leaves_nothing(network: RoutedNetwork) -> None:
    before = state(network)

    first = network.iron_proxy(network.router, "tproxy", "up", *FLAGS)
    once = state(network)
    second = network.iron_proxy(network.router, "tproxy", "up", *FLAGS)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert state(network) == once
    assert once.count("lookup 1051") == 2
    assert "tproxy ip to" in once
    for _ in range(2):
        down = network.iron_proxy(network.router, "tproxy", "down")
        assert (down.returncode, down.stdout, down.stderr) == (0, "rules and routes are gone\n", "")
        assert state(network) == before


def test_what_is_printed_does_the_same(network: RoutedNetwork) -> None:
    before = state(network)
    network.iron_proxy(network.router, "tproxy", "up", *FLAGS)
    applied = state(network)
    network.iron_proxy(network.router, "tproxy", "down")

    up = network.iron_proxy(network.router, "tproxy", "up", *FLAGS, "-print").stdout
    for _ in range(2):
        done = network.run(network.router, "sh", text=up)
        assert (done.returncode, done.stderr) == (0, "")
        assert state(network) == applied

    down = network.iron_proxy(network.router, "tproxy", "down", "-print").stdout
    for _ in range(2):
        done = network.run(network.router, "sh", text=down)
        assert (done.returncode, done.stderr) == (0, "")
        assert state(network) == before


@pytest.mark.parametrize("word", ["up", "down"])
def test_without_the_right_it_says_what_to_do(network: RoutedNetwork, word: str) -> None:
    before = state(network)
    flags = FLAGS if word == "up" else ()

    done = network.run(network.router, *WITHOUT_RIGHTS, network.interpreter, "-m", "iron_proxy", "tproxy", word, *flags)

    assert done.returncode == 1
    assert done.stderr.startswith("error: not permitted: run it as root (it needs CAP_NET_ADMIN)")
    assert state(network) == before


def test_the_one_right_that_the_unit_of_the_example_has_is_enough(network: RoutedNetwork) -> None:
    alone = ("setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", "--no-new-privs")

    for arguments in (("up", *FLAGS), ("down",)):
        done = network.run(network.router, *alone, network.interpreter, "-m", "iron_proxy", "tproxy", *arguments)

        assert done.returncode == 0, done.stderr


def test_without_ipv6_addresses_ipv6_is_left_alone(network: RoutedNetwork) -> None:
    done = network.iron_proxy(network.router, "tproxy", "up", "-proxy-ip", ROUTER_4, "-interface", TO_CLIENTS)

    assert done.returncode == 0, done.stderr
    assert "1051" not in network.run(network.router, "ip", "-6", "rule").stdout


# --- the proxy's own right ------------------------------------------------------------------------------------------


def test_a_transparent_proxy_that_may_not_be_one_says_what_it_needs(
    network: RoutedNetwork, internet: Internet, proxy_ca: ProxyCA, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = write_configuration(
        tmp_path_factory.mktemp("proxy"), base_config(internet, proxy_ca, proxy__transparent="tproxy")
    )
    command = (*WITHOUT_RIGHTS, network.interpreter, "-m", "iron_proxy", "-config", str(file))

    done = network.run(network.router, *command, env=process_environment(internet, None))

    assert done.returncode == 1
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error == (
        "error: proxy.http_listen: proxy.transparent: tproxy: not permitted (it needs CAP_NET_ADMIN: run as root, or "
        "with AmbientCapabilities=CAP_NET_ADMIN in the systemd unit; `redirect` needs no such right)"
    )
