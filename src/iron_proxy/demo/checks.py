"""
What was seen, held against what should have been: every difference is a surprise, said in one sentence.

Pure. The demo succeeds when nothing here has anything to say; `cli/demo.py` turns that into the exit status.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iron_proxy.demo.observation import AuditRecord, ClientView, DemoRun, Observation, OriginView
from iron_proxy.demo.scenario import BLOCKED_HOST, EVENTS, MESSAGE, SECRETS, Kind, Route, Step

Swap = dict[str, Any]

PROXY_IP = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Surprises:
    """By step number, and those that belong to no step."""

    of_steps: Mapping[int, tuple[str, ...]]
    of_run: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """All of them, each naming its request."""
        steps = [f"request {number}: {text}" for number, texts in self.of_steps.items() for text in texts]
        return [*steps, *self.of_run]


def find_surprises(run: DemoRun) -> Surprises:
    """Look at everything."""
    of_steps = {observation.step.number: tuple(surprises_of(observation)) for observation in run.observations}
    return Surprises({number: texts for number, texts in of_steps.items() if texts}, tuple(_surprises_of_run(run)))


def surprises_of(observation: Observation) -> Iterator[str]:
    """What is wrong with one request."""
    step = observation.step
    yield from _at_client(step, observation.client)
    yield from _at_origin(step, observation.origin)
    yield from _in_audit(step, observation.audit)
    if step.route is not Route.DNS:
        yield from _in_tunnel_audit(observation.tunnel_audit)


def _at_client(step: Step, client: ClientView) -> Iterator[str]:
    if client.error:
        yield f"the client got no proper answer: {client.error}"
    elif client.status != step.status:
        yield f"the client saw status {client.status} where {step.status} was due"
    if client.dns_answer not in (None, (PROXY_IP,)):
        yield f"the proxy's DNS server answered {_listed(client.dns_answer)} and not the proxy's own address {PROXY_IP}"
    if not client.error and client.messages != expected_messages(step):
        yield f"the client received {_listed(client.messages)} where {_listed(expected_messages(step))} was due"
    if not client.error and step.echo is not None and client.body != json.dumps(step.echo):
        yield "the client did not read its own proxy token in what the origin sent back"
    for secret in SECRETS:
        if secret.value in client.received:
            yield f"the client saw the real {secret.name}"


def expected_messages(step: Step) -> tuple[str, ...]:
    """What the client reads after the head of the answer."""
    match step.kind:
        case Kind.WEBSOCKET:
            return (MESSAGE,)
        case Kind.EVENTS:
            return EVENTS
        case Kind.RESPONSE:
            return ()


def _at_origin(step: Step, requests: list[OriginView]) -> Iterator[str]:
    if step.is_blocked:
        if requests:
            yield f"the origin was reached, although {step.host} is not allowed"
        return
    if len(requests) != 1:
        yield f"{len(requests)} requests arrived at the origin where one was due"
    for request in requests[:1]:
        yield from _of_request(step, request)


def _of_request(step: Step, request: OriginView) -> Iterator[str]:
    text = "\n".join((request.target, *(f"{name}: {value}" for name, value in request.headers)))
    for secret in SECRETS:
        if secret.token in text:
            yield f"the proxy token of {secret.name} reached the origin"
        if secret is not step.secret and secret.value in text:
            yield f"the real {secret.name} reached the origin, although nobody asked for it"
    if step.secret is not None and step.secret.value not in text:
        yield f"the real {step.secret.name} did not reach the origin"
    if request.target != step.target_at_origin:
        yield f"the origin was asked for {request.target} where {step.target_at_origin} was due"
    if step.header_at_origin is not None and request.header(step.header_at_origin[0]) != step.header_at_origin[1]:
        yield f"the header {step.header_at_origin[0]} is not at the origin as it should be"
    if step.kind is Kind.WEBSOCKET and request.messages != [MESSAGE]:
        yield f"the origin received {_listed(request.messages)} where {_listed((MESSAGE,))} was due"


def _in_audit(step: Step, record: AuditRecord | None) -> Iterator[str]:
    if record is None:
        yield "there is no audit line for it"
        return
    due = {
        "action": "reject" if step.is_blocked else "allow",
        "status_code": step.status,
        "method": "GET",
        "path": step.path,
        "rejected_by": "allowlist" if step.is_blocked else None,
    }
    for name, value in due.items():
        if record.get(name) != value:
            yield f"its audit line says {name} {record.get(name)!r} where {value!r} was due"
    swapped: list[Swap] = []
    if step.secret is not None:
        swapped = [{"secret": step.secret.name, "locations": [step.location]}]
    if swapped_in(record) != swapped:
        yield f"its audit line says swapped: {_swaps(swapped_in(record))} where {_swaps(swapped)} was due"
    redacted: list[Swap] = []
    if step.secret is not None and step.echo is not None:
        redacted = [{"secret": step.secret.name, "locations": ["body"], "count": 1}]
    if redacted_in(record) != redacted:
        yield f"its audit line says redacted: {_swaps(redacted_in(record))} where {_swaps(redacted)} was due"


def swapped_in(record: AuditRecord) -> list[Swap]:
    """What an audit record says was swapped."""
    return _noted(record, "request_transforms", "swapped")


def redacted_in(record: AuditRecord) -> list[Swap]:
    """What an audit record says was taken out of the answer."""
    return _noted(record, "response_transforms", "redacted")


def _noted(record: AuditRecord, traces: str, name: str) -> list[Swap]:
    return [note for trace in record.get(traces, []) for note in trace.get("annotations", {}).get(name, [])]


def _in_tunnel_audit(record: AuditRecord | None) -> Iterator[str]:
    if record is None:
        yield "there is no audit line for the opening of its tunnel"
    elif record.get("action") != "allow":
        yield f"the audit line of its tunnel says action {record.get('action')!r} where 'allow' was due"


def _surprises_of_run(run: DemoRun) -> Iterator[str]:
    if BLOCKED_HOST in run.names_looked_up:
        yield f"{BLOCKED_HOST} was looked up, although it is not allowed"
    for secret in SECRETS:
        if any(secret.value in line for line in run.log):
            yield f"the real {secret.name} is in the proxy's log"
    if run.exit_status != 0:
        yield f"the proxy ended with status {run.exit_status} when it was asked to stop"


def _listed(texts: tuple[str, ...] | list[str] | None) -> str:
    return ", ".join(texts) if texts else "nothing"


def _swaps(swapped: list[Swap]) -> str:
    texts = [f"{swap.get('secret')} in {_listed(swap.get('locations'))}" for swap in swapped]
    return _listed(texts)
