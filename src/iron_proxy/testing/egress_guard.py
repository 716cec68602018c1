"""
The guard of one test process: a proxy, the environment that leads to them, and the watch on what goes past them.

One proxy for the whole session, for clients remember where it is; it gets the allowlist of each test by a reload.
Called by `plugin.py`.
"""

import http.client
import os
import urllib.request
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from iron_proxy.testing.allowed_egress import AllowedEgress
from iron_proxy.testing.direct_egress import DirectWatch
from iron_proxy.testing.egress_seen import MARK_DOMAIN, Seen, seen_directly, seen_in_records
from iron_proxy.testing.imported_clients import trust_in_imported_clients
from iron_proxy.testing.running import Proxy, Record, running

# What the proxy needs of the environment to reach the internet at all.
_OUTWARD: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# The proxy answers from memory; a busy machine gets this much.
_MARK_TIMEOUT: Final = 30.0


class EgressGuard:
    """`begin` and `end` around each test. `observes`: nothing is refused. Close it at the end of the session."""

    def __init__(self, *, observes: bool) -> None:
        self._observes = observes
        self._outward = {name: os.environ[name] for name in _OUTWARD if name in os.environ}
        self._running = ExitStack()
        self._started: Proxy | None = None
        self._key = ""
        self._before: dict[str, str | None] = {}
        self._watch: DirectWatch | None = None
        self.proxy: Proxy | None = None  # of the test that is under way
        self.records: list[Record] = []  # of all tests

    def begin(self, allowed: AllowedEgress) -> None:
        """From here on this process is guarded. Raises StartupError when the proxy does not start."""
        self.proxy = proxy = self._proxy_for(allowed)
        self._opening_rule = f"rules[{len(allowed.mappings)}]"
        self._taken = len(proxy.records())
        variables = proxy.environment()
        self._before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        if proxy.ca_file is not None:
            trust_in_imported_clients(proxy.ca_file)
        if self._observes:
            self._watch = DirectWatch(lambda host, port: True, lambda host: True)
        else:
            self._watch = DirectWatch(allowed.admits_directly, allowed.admits_name)
        self._opener = _default_opener()
        self._watch.start()

    def take_seen(self) -> list[Seen]:
        """What was reached for since the last time; complete for requests that have been answered."""
        if self.proxy is None or self._watch is None:
            return []
        _wait_until_written(self.proxy)
        records = self.proxy.records()
        new, self._taken = records[self._taken :], len(records)
        self.records += new if self._observes else []
        return [*seen_in_records(new, self._opening_rule), *seen_directly(self._watch.take_seen())]

    def end(self) -> None:
        """The process is as it was before. Twice does no harm."""
        if self._watch is not None:
            self._watch.stop()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self.proxy is not None and _default_opener() is not self._opener:
            # urlopen makes one when it is called first, and it remembers the proxy.
            urllib.request.install_opener(self._opener)
        self._before, self._watch, self.proxy = {}, None, None

    def close(self) -> None:
        """Stop the proxy."""
        self.end()
        self._running.close()

    def _proxy_for(self, allowed: AllowedEgress) -> Proxy:
        configuration = _configuration(allowed, observes=self._observes)
        if self._started is None:
            self._started = self._running.enter_context(running(configuration, self._outward))
        elif allowed.key != self._key:
            self._started.replace(transforms=configuration["transforms"])
        self._key = allowed.key
        return self._started


def _configuration(allowed: AllowedEgress, *, observes: bool) -> Mapping[str, Any]:
    rules = [*allowed.mappings, {"host": "*", "methods": ["CONNECT"]}]
    return {
        # What tests may reach may be on the network of the machine: containers, a database.
        "proxy": {"upstream_deny_cidrs": [], "denial_body": "explain"},
        "transforms": [{"name": "allowlist", "config": {"rules": rules, "warn": observes}}],
    }


def _wait_until_written(proxy: Proxy) -> None:
    """Records are written in order: when the one for this question is there, so are those of earlier answers."""
    mark = f"{uuid.uuid4().hex}.{MARK_DOMAIN}"
    connection = http.client.HTTPConnection(proxy.address("tunnel"), timeout=_MARK_TIMEOUT)
    try:
        connection.request("CONNECT", f"{mark}:443", headers={"Host": f"{mark}:443"})
        connection.getresponse().close()
    finally:
        connection.close()
    proxy.wait_for_record(host=f"{mark}:443", timeout=_MARK_TIMEOUT)


def _default_opener() -> Any:
    return getattr(urllib.request, "_opener", None)
