"""Checks of `limits`: numbers that do not go together. Called by `examination.py`."""

from iron_proxy.config.capacity import capacity_of, connections_within
from iron_proxy.config.schema import Config
from iron_proxy.inspection.findings import Findings


def check_limits(config: Config, descriptors: int, findings: Findings) -> None:
    """IP601 and IP602; `descriptors` are what a process may have open here."""
    limits = config.limits
    enough_for = connections_within(descriptors)
    if limits.connections is not None and limits.connections > enough_for:
        told = f"{limits.connections} is more than {descriptors} open files are enough for ({enough_for})"
        findings.add("IP601", None, "limits.connections", told)
    connections = capacity_of(limits, descriptors).connections
    if limits.connections_per_client is not None and limits.connections_per_client >= connections > 1:
        told = f"{limits.connections_per_client} is not less than all {connections}"
        findings.add("IP602", None, "limits.connections_per_client", told)
