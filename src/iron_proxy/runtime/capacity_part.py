"""How many connections this process serves: the configuration's numbers, or what its descriptors are enough for."""

import logging

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.config.capacity import Capacity, capacity_of, connections_within
from iron_proxy.config.schema import LimitsConfig
from iron_proxy.listeners.connection_counts import ConnectionCounts
from iron_proxy.runtime.open_files import open_files
from iron_proxy.runtime.process_log import report


def build_counts(limits: LimitsConfig, audit: AuditEmitter) -> ConnectionCounts:
    """What all listeners count their connections in."""
    return ConnectionCounts(capacity_now(limits), audit.emit)


def capacity_now(limits: LimitsConfig) -> Capacity:
    """What is served from now on; a warning if the descriptors may not be enough for it."""
    descriptors = open_files()
    capacity = capacity_of(limits, descriptors)
    if limits.connections is not None and limits.connections > connections_within(descriptors):
        report(
            logging.WARNING,
            "limits.connections is more than the open files are enough for",
            connections=limits.connections,
            open_files=descriptors,
            remedy="lower it, or raise the limit of open files (ulimit -n, LimitNOFILE)",
        )
    return capacity
