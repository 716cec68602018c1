from dataclasses import replace

import pytest

from iron_proxy.demo.checks import find_surprises
from iron_proxy.demo.observation import ClientView, Observation
from iron_proxy.demo.run import match_audit_records, run_demo
from iron_proxy.demo.scenario import STEPS

BLOCKED, AUTHORIZATION = STEPS[1:3]


def test_records_belong_to_the_connection_they_came_by() -> None:
    first = Observation(AUTHORIZATION, ClientView(address="127.0.0.1:1"), [])
    second = Observation(BLOCKED, ClientView(address="127.0.0.1:2"), [])
    tunnel = {"remote_addr": "127.0.0.1:1", "method": "CONNECT"}
    request = {"remote_addr": "127.0.0.1:1", "method": "GET", "tunnel": {"target": "httpbin.org:443"}}
    another = {"remote_addr": "127.0.0.1:3", "method": "GET"}

    match_audit_records([first, second], [tunnel, request, another])

    assert (first.tunnel_audit, first.audit) == (tunnel, request)
    assert (second.tunnel_audit, second.audit) == (None, None)


@pytest.mark.parametrize("direct_first", [False, True])
def test_a_port_of_the_client_may_serve_for_each_of_the_listeners(direct_first: bool) -> None:
    direct = Observation(BLOCKED, ClientView(address="127.0.0.1:1"), [])
    tunnelled = Observation(AUTHORIZATION, ClientView(address="127.0.0.1:1"), [])
    opening = {"remote_addr": "127.0.0.1:1", "method": "CONNECT"}
    inside = {"remote_addr": "127.0.0.1:1", "method": "GET", "tunnel": {"target": "httpbin.org:443"}}
    outside = {"remote_addr": "127.0.0.1:1", "method": "GET"}

    match_audit_records([direct, tunnelled], [outside, opening, inside] if direct_first else [opening, inside, outside])

    assert (direct.tunnel_audit, direct.audit) == (None, outside)
    assert (tunnelled.tunnel_audit, tunnelled.audit) == (opening, inside)


@pytest.mark.slow
def test_a_real_proxy_that_does_not_do_what_was_expected_of_it_is_found_out() -> None:
    not_a_token = replace(AUTHORIZATION, header=("Authorization", "Bearer something-else"))
    let_through = replace(BLOCKED, status=200)

    surprises = find_surprises(run_demo([not_a_token, let_through]))

    assert "the real OPENAI_API_KEY did not reach the origin" in surprises.of_steps[3]
    assert "the client saw status 403 where 200 was due" in surprises.of_steps[2]
