"""
One demo from beginning to end: set the scene, start the proxy, send the requests, stop, and match up what was seen.

Audit records are read after the proxy has stopped, when none can be missing but those that were never written. Called
by `cli/demo.py`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from iron_proxy.demo.client import Client
from iron_proxy.demo.names import DemoNames
from iron_proxy.demo.observation import AuditRecord, DemoRun, Observation
from iron_proxy.demo.origin import Origin
from iron_proxy.demo.proxy_process import ProxyProcess
from iron_proxy.demo.routes import Ports
from iron_proxy.demo.scenario import HOSTS, SECRETS, STEPS, Route, Step
from iron_proxy.demo.scene import Scene


def run_demo(steps: Sequence[Step] = STEPS, *, checkpoint: Callable[[], None] = lambda: None) -> DemoRun:
    """
    Run it; takes less than a second, and leaves nothing behind. Raises StartupError when the proxy does not start.

    `checkpoint` is called between any two parts: what it raises ends the demo where everything can be undone.
    """
    started = time.perf_counter()
    with ExitStack() as parts:
        scene = parts.enter_context(Scene())
        names = parts.enter_context(DemoNames(HOSTS))
        origin = parts.enter_context(Origin(scene.origin_contexts(HOSTS)))
        configuration = scene.write_configuration(names.address)
        checkpoint()
        environment = {secret.name: secret.value for secret in SECRETS}
        proxy = parts.enter_context(ProxyProcess(scene.configuration_path, scene.origin_ca, environment))
        client = Client(scene.proxy_ca, _ports(proxy), origin.port, origin.release_event)
        observations = []
        for step in steps:
            checkpoint()
            observations.append(Observation(step, client.send(step), origin.take_requests()))
        proxy.stop()
    match_audit_records(observations, proxy.records)
    assert proxy.exit_status is not None  # noqa: S101 - for the type checker: it has been stopped
    return DemoRun(
        configuration=configuration,
        addresses={**proxy.addresses, "origin": f"127.0.0.1:{origin.port}"},
        observations=observations,
        names_looked_up=names.looked_up,
        log=proxy.log,
        exit_status=proxy.exit_status,
        seconds=time.perf_counter() - started,
    )


def match_audit_records(observations: Sequence[Observation], records: Sequence[AuditRecord]) -> None:
    """Give each observation its records: those of the client's own connection."""
    for observation in observations:
        for record in records:
            if not _is_of(record, observation):
                continue
            if record["method"] == "CONNECT":
                observation.tunnel_audit = record
            else:
                observation.audit = record


def _is_of(record: AuditRecord, observation: Observation) -> bool:
    """The client's address tells, with the listener: the kernel may give one port to connections to both."""
    was_tunnelled = record["method"] == "CONNECT" or "tunnel" in record
    by_tunnel = observation.step.route is not Route.DNS
    return bool(record["remote_addr"] == observation.client.address) and was_tunnelled == by_tunnel


def _ports(proxy: ProxyProcess) -> Ports:
    return Ports(dns=proxy.port("dns"), https=proxy.port("https"), tunnel=proxy.port("tunnel"))
