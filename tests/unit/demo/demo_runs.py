"""A demo in which everything went as it should, made up step by step, for tests to spoil."""

import json
from typing import Any

from iron_proxy.demo.checks import expected_messages
from iron_proxy.demo.observation import ClientView, DemoRun, Observation, OriginView
from iron_proxy.demo.scenario import STEPS, Kind, Route, Step


def good_run() -> DemoRun:
    return DemoRun(
        configuration="dns: {}\n",
        addresses={"https": "127.0.0.1:1", "origin": "127.0.0.1:4443"},
        observations=[good_observation(step) for step in STEPS],
        names_looked_up=("httpbin.org",),
        log=('{"msg":"iron-proxy starting"}',),
        exit_status=0,
        seconds=0.5,
    )


def good_observation(step: Step) -> Observation:
    client = ClientView(
        address=f"127.0.0.1:{50000 + step.number}",
        dns_answer=("127.0.0.1",) if step.route is Route.DNS else None,
        status=step.status,
        reason="Fine",
        body="" if step.echo is None else json.dumps(step.echo),
        messages=expected_messages(step),
    )
    headers = [("Host", step.host)] if step.header_at_origin is None else [("Host", step.host), step.header_at_origin]
    messages = list(expected_messages(step)) if step.kind is Kind.WEBSOCKET else []
    origin = [] if step.is_blocked else [OriginView("GET", step.target_at_origin, headers, messages)]
    tunnel = (
        None if step.route is Route.DNS else {"method": "CONNECT", "action": "allow", "remote_addr": client.address}
    )
    return Observation(step, client, origin, good_record(step, client.address), tunnel)


def good_record(step: Step, address: str) -> dict[str, Any]:
    swapped = [] if step.secret is None else [{"secret": step.secret.name, "locations": [step.location]}]
    record: dict[str, Any] = {
        "method": "GET",
        "path": step.path,
        "action": "reject" if step.is_blocked else "allow",
        "status_code": step.status,
        "remote_addr": address,
        "request_transforms": [{"name": "secrets", "annotations": {"swapped": swapped}}],
    }
    if step.echo is not None and step.secret is not None:
        redacted = {"secret": step.secret.name, "locations": ["body"], "count": 1}
        record["response_transforms"] = [{"name": "secrets", "annotations": {"redacted": [redacted]}}]
    if step.is_blocked:
        record |= {"rejected_by": "allowlist", "reason": "no rule matches the host"}
    return record
