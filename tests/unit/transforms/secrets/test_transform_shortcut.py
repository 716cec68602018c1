"""The shortcut for one token in one header has the outcome of the general way, whatever the request looks like."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.transforms.secrets.building import exchange_of, send, transform_from

from iron_proxy.errors import IronProxyError
from iron_proxy.transforms.secrets import plan as plan_module

YAML = """
    secrets:
      - source: {type: env, var: A}
        replace: {proxy_value: tok-1, match_headers: [Authorization, "/^x-/"]}
        rules: [{host: "api.test"}]
      - source: {type: env, var: B}
        replace: {proxy_value: tok-12}
        rules: [{host: "api.test"}]
      - source: {type: env, var: MISSING}
        replace: {proxy_value: tok-gone, match_headers: [x-KEY]}
        rules: [{host: "api.test"}]
"""
ENVIRONMENT = {"A": "real-a tok-12", "B": "real-b"}
NAMES = st.sampled_from([b"Authorization", b"X-Key", b"x-other", b"Accept"])
VALUES = st.lists(
    st.sampled_from([b"tok-1", b"tok-12", b"tok-gone", b"Bearer ", b"Basic dG9rLTE6dG9rLTEy", b"b", b" ", b"2"]),
    max_size=3,
).map(b"".join)
REQUESTS = st.lists(st.tuples(NAMES, VALUES), max_size=4)


@pytest.mark.slow
@settings(max_examples=60)
@given(REQUESTS, st.sampled_from(["https", "http"]))
def test_the_shortcut_changes_nothing_but_the_time_it_takes(pairs: list[tuple[bytes, bytes]], scheme: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick = outcome(pairs, scheme)
        patch.setattr(plan_module.Plan, "is_headers_only", property(lambda plan: False, lambda plan, value: None))
        general = outcome(pairs, scheme)

    assert quick == general


def outcome(pairs: list[tuple[bytes, bytes]], scheme: str) -> Any:
    transform = transform_from(YAML, ENVIRONMENT)
    # From here on no value has to be waited for.
    asyncio.run(send(transform, exchange_of((b"x-a", b"tok-1 tok-12"), host="api.test")))
    exchange = exchange_of(*pairs, host="api.test", scheme=scheme)
    try:
        verdict = asyncio.run(send(transform, exchange))
    except IronProxyError as error:
        return str(error)
    return verdict, exchange.request.headers.pairs, exchange.notes
