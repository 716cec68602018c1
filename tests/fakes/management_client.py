"""Calls of the management API, over a connection of their own, as a script makes them."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.fakes.configurations import allowlist, base_config, secrets
from tests.fakes.running_proxy import RunningProxy, write_configuration

KEY = "mgmt-key-1-of-the-tests"
# A configuration's block and the environment that goes with it.
MANAGEMENT = {"listen": "127.0.0.1:0"}
ENVIRONMENT = {"IRON_MANAGEMENT_API_KEY": KEY}
# A policy under which ok.test is denied.
ONLY_RULES = {"transforms": [allowlist(domains=["other.test"]), secrets()]}


class Called(NamedTuple):
    """The answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def call(
    proxy: RunningProxy, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Called:
    """One call, with the right key unless `headers` are given."""
    connection = http.client.HTTPConnection(*proxy.addresses["management"], timeout=30)
    try:
        shown = {"Authorization": f"Bearer {KEY}"} if headers is None else headers
        connection.request(method, path, body, dict(shown))
        response = connection.getresponse()
        return Called(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def reload(proxy: RunningProxy) -> Called:
    """`POST /v1/reload`."""
    return call(proxy, "POST", "/v1/reload")


def explain(proxy: RunningProxy, **question: Any) -> Called:
    """`POST /v1/explain`."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    return call(proxy, "POST", "/v1/explain", headers, json.dumps(question).encode())


def rewrite(proxy: RunningProxy, **changes: Any) -> None:
    """Write BASE.yaml with a management API and these changes in place of the proxy's file."""
    write_configuration(
        proxy.directory, base_config(proxy.internet, proxy.ca, **{"management": MANAGEMENT, **changes})
    )


def reload_with(proxy: RunningProxy, **changes: Any) -> dict[str, Any]:
    """Write, reload; the answer of one that is in force."""
    rewrite(proxy, **changes)
    answer = reload(proxy)
    assert answer.status == 200, answer.content
    content: dict[str, Any] = answer.json
    return content
