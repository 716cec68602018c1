"""The demo as a program reads it: one JSON object with all that the table shows, and the proxy's log. For `--json`."""

from typing import Any

from msgspec import json

from iron_proxy.demo.checks import Surprises
from iron_proxy.demo.observation import ClientView, DemoRun, Observation, OriginView
from iron_proxy.demo.scenario import Step


def json_report(run: DemoRun, surprises: Surprises) -> str:
    """The object, indented, without a newline at the end."""
    sentences = surprises.sentences
    content = {
        "ok": not sentences,
        "surprises": sentences,
        "duration_seconds": round(run.seconds, 3),
        "addresses": dict(run.addresses),
        "configuration": run.configuration,
        "requests": [_request(each, surprises) for each in run.observations],
        "names_looked_up": list(run.names_looked_up),
        "proxy_exit_status": run.exit_status,
        "proxy_log": list(run.log),
    }
    return json.format(json.encode(content), indent=2).decode()


def _request(observation: Observation, surprises: Surprises) -> dict[str, Any]:
    step = observation.step
    return {
        "number": step.number,
        "title": step.title,
        "route": step.route.value,
        "sent": _sent(step),
        "client_saw": _client(observation.client),
        "origin_saw": [_origin(view) for view in observation.origin],
        "audit": observation.audit,
        "tunnel_audit": observation.tunnel_audit,
        "surprises": list(surprises.of_steps.get(step.number, ())),
    }


def _sent(step: Step) -> dict[str, Any]:
    headers = [] if step.header is None else [list(step.header)]
    return {"method": "GET", "host": step.host, "target": step.target, "headers": headers}


def _client(client: ClientView) -> dict[str, Any]:
    return {
        "dns_answer": None if client.dns_answer is None else list(client.dns_answer),
        "status": client.status,
        "body": client.body,
        "messages": list(client.messages),
        "error": client.error or None,
    }


def _origin(view: OriginView) -> dict[str, Any]:
    return {
        "method": view.method,
        "target": view.target,
        "headers": [list(pair) for pair in view.headers],
        "messages": view.messages,
    }
