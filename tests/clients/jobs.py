"""
What a client is asked to do, by which routings: one row of the table in docs/reference/clients.md.

    @job("curl", "HTTP/1.1: GET")
    def test_curl_gets(world: World, routing: Routing) -> None: ...

The test runs once for each routing that is not in `cannot`, which says why a client does not have the others.
`conftest.py` skips what is missing here and notes what passed; `page.py` reads and writes the page.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import pytest

NO_HTTP2 = "HTTP/2 is not served yet"


class Routing(Enum):
    """How a client comes to the proxy. The values are the columns of the table."""

    DNS = "DNS"
    HTTPS_PROXY = "HTTPS_PROXY"
    SOCKS5 = "SOCKS5"

    @property
    def is_tunnel(self) -> bool:
        return self is not Routing.DNS

    @property
    def is_variable(self) -> bool:
        return self is Routing.HTTPS_PROXY


class Row(NamedTuple):
    """A client and what it is asked to do."""

    client: str
    what: str


class Job(NamedTuple):
    """A row with what it needs, and why some of its cells are no tests."""

    row: Row
    commands: tuple[str, ...]
    modules: tuple[str, ...]
    http2: bool
    cannot: Mapping[Routing, str]

    def missing(self) -> str | None:
        """What this machine lacks for it, as a reason to skip."""
        for command in self.commands:
            if shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
                return f"{command} is not installed"
        for module in self.modules:
            if importlib.util.find_spec(module) is None:
                return f"the Python package {module} is not installed"
        return None


Test = Callable[..., Any]


def job(
    client: str, what: str, *, commands: tuple[str, ...] = (), modules: tuple[str, ...] = (), http2: bool = False,
    cannot: Mapping[Routing, str] | None = None,
) -> Callable[[Test], Test]:  # fmt: skip
    """A test that is a row; `http2` ones wait until the proxy serves HTTP/2."""
    made = Job(Row(client, what), commands, modules, http2, cannot or {})
    routings = [routing for routing in Routing if routing not in made.cannot]

    def decorate(test: Test) -> Test:
        test = pytest.mark.parametrize("routing", routings, ids=lambda each: each.name.lower())(test)
        return pytest.mark.client(made)(test)

    return decorate


def job_of(item: pytest.Item) -> Job | None:
    """The job that a test does."""
    mark = item.get_closest_marker("client")
    if mark is None:
        return None
    done: Job = mark.args[0]
    return done


def routing_of(item: pytest.Item) -> Routing:
    """The routing that a test of a job runs with."""
    assert isinstance(item, pytest.Function)
    routing = item.callspec.params["routing"]
    assert isinstance(routing, Routing)
    return routing
