"""How an assembly stands, in numbers: read when somebody asks, for `/metrics`, `/v1/status` and a supervisor."""

from collections.abc import Iterable

from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.inspection.secret_ages import fetched_secrets
from iron_proxy.management.readings import Readings
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.fleet import Sight
from iron_proxy.runtime.last_wall import LAST_WALL


def readings_of(assembly: Assembly) -> Readings:
    """Those of now, of this process; of the services in force, where a reload has replaced some."""
    services = assembly.services
    leaves = services.leaves if isinstance(services.leaves, (LeafCache, IssuedLeaves)) else None
    return Readings(
        generation=services.snapshot.generation,
        connections=len(services.connections),
        upstream_idle=services.pool.idle,
        upstream_opened=services.pool.opened,
        leaves_cached=0 if leaves is None else len(leaves),
        leaves_signed=0 if leaves is None else leaves.signed,
        log_masked=LAST_WALL.hits,
        handshakes=services.process.handshakes,
        secrets=fetched_secrets(services.snapshot.pipeline),
        audit=services.audit.condition,
        exports=assembly.exports.conditions,
    )


def readings_of_all(assembly: Assembly, workers: Iterable[Sight]) -> Readings:
    """Those of this process and of its workers together, those that are gone included."""
    total = readings_of(assembly)
    fleet = assembly.fleet
    for former in () if fleet is None else fleet.former_readings:
        total = total.plus_worker(former)
    for each in workers:
        if each.look is not None:
            total = total.plus_worker(each.look.readings)
    return total
