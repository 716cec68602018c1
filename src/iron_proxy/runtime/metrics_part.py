"""How an assembly stands, in numbers, for `/metrics`: read at the moment of a scrape. Called through `lifecycle.py`."""

from iron_proxy.certs.leaf_cache import LeafCache
from iron_proxy.inspection.secret_ages import fetched_secrets
from iron_proxy.management.metrics_page import MetricsPage, Readings
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.last_wall import LAST_WALL


def metrics_page(assembly: Assembly) -> MetricsPage:
    """The page of a process. Imports what pages need: only once it serves."""
    return MetricsPage(assembly.request_metrics, lambda: readings_of(assembly), assembly.upstream_metrics)


def readings_of(assembly: Assembly) -> Readings:
    """Those of now; of the services in force, where a reload has replaced some."""
    services = assembly.services
    leaves = services.leaves if isinstance(services.leaves, LeafCache) else None
    return Readings(
        generation=services.snapshot.generation,
        connections=len(services.connections),
        upstream_idle=services.pool.idle,
        upstream_opened=services.pool.opened,
        leaves_cached=0 if leaves is None else len(leaves),
        leaves_signed=0 if leaves is None else leaves.signed,
        log_masked=LAST_WALL.hits,
        audit=services.audit.condition,
        handshakes=services.process.handshakes,
        secrets=fetched_secrets(services.snapshot.pipeline),
        exports=assembly.exports.conditions,
    )
