"""What a client sends cannot remove, double or shadow what the proxy injects."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.running_proxy import SECRETS, RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way

NAMES = st.sampled_from(
    [
        "Connection",
        "connection",
        "TE",
        "Trailer",
        "Keep-Alive",
        "Proxy-Connection",
        "Upgrade",
        "Authorization",
        "AUTHORIZATION",
        "authorization",
    ]
)
VALUES = st.sampled_from(
    [
        "Authorization",
        "authorization",
        "close",
        "keep-alive",
        "key",
        "Host",
        "Bearer x",
        "x, Authorization",
        "trailers",
        "*",
        "",
    ]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=5), way=st.sampled_from(TLS_WAYS))
def test_the_injected_field_arrives_once_whatever_the_client_says(
    proxy: RunningProxy, fields: list[tuple[str, str]], way: Way
) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in fields)

    answer = proxy.ask(way, host="inject.test", headers=headers)

    assert answer.status == 200
    seen = proxy.arrived()[-1]
    assert seen.get_all(b"authorization") == [f"Bearer {SECRETS['SEC_INJ']}".encode()]
    assert len(seen.get_all(b"host")) == 1


@pytest.mark.parametrize("query", ["key=mine", "key=mine&key=other", "KEY=mine", "%6bey=mine", "a=1&key", "key"])
def test_the_injected_parameter_has_the_last_word(proxy: RunningProxy, query: str) -> None:
    proxy.ask(Way.HTTPS, f"/x?{query}", host="injectq.test")

    path = proxy.arrived()[-1].path
    assert path.count(f"key={SECRETS['SEC_Q']}") == 1
    assert "key=mine" not in path.replace("KEY=mine", "").replace("%6bey=mine", "%6bey")
    assert "%6bey=mine" not in path, "a server decodes it to the same key"
