"""`proxy.workers` → a fleet for `runtime/assemble.py`, or None where one process is to do everything."""

import os
import sys
from collections.abc import Callable

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.policy_reading import Origin
from iron_proxy.workers.doors import SharedPorts
from iron_proxy.workers.fleet import WorkerFleet
from iron_proxy.workers.messages import Policy

BuildFleet = Callable[[AuditEmitter, Services], WorkerFleet]


def fleet_builder(config: Config, origin: Origin, text: bytes | None, has_ca: bool) -> BuildFleet | None:
    """
    What builds the fleet, inside the loop. `text` is what was read of `origin`.

    Raises StartupError where the system cannot share a port among processes.
    """
    count = worker_count(config.proxy.workers)
    if count == 1:
        return None
    if sys.platform != "linux":
        raise StartupError(f"proxy.workers: {config.proxy.workers} needs Linux; leave it out")

    def build(audit: AuditEmitter, services: Services) -> WorkerFleet:
        policy = Policy(text, services.snapshot.generation, has_ca, keeps_leaves=False)
        return WorkerFleet(count, SharedPorts(config.proxy), origin, policy, audit, services.leaves)

    return build


def worker_count(wanted: int | str) -> int:
    """How many workers `proxy.workers` means on this machine: `auto` is one for each core that we may use."""
    if wanted != "auto":
        return int(wanted)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
