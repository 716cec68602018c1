"""
How a process stands, in numbers: what `runtime/metrics_part.py` reads of its parts and `metrics_page.py` shows.

Those of several processes are added up. Light, for those who only send them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from iron_proxy.audit.emitter import Condition
from iron_proxy.audit.otlp_queue import ExportCondition
from iron_proxy.inspection.secret_ages import FetchedSecret
from iron_proxy.secret_sources.source import Fetches


class Readings(NamedTuple):
    """How the process stands now."""

    generation: int
    connections: int
    upstream_idle: int
    upstream_opened: int
    leaves_cached: int
    leaves_signed: int
    log_masked: int
    handshakes: Mapping[str, int]    # of clients' TLS that succeeded, by version
    secrets: Sequence[FetchedSecret]
    audit: Condition
    exports: Mapping[str, ExportCondition]     # by OTLP, by the name of the signal

    def plus_worker(self, other: "Readings") -> "Readings":
        """
        Those of a supervisor, with a worker's added.

        Leaves are the supervisor's, who signs them; so are the records made, for it has counted the workers' lines.
        """
        audit = self.audit._replace(
            lost=self.audit.lost + other.audit.lost,
            refused=self.audit.refused + other.audit.refused,
            queued_bytes=self.audit.queued_bytes + other.audit.queued_bytes,
            is_stalled=self.audit.is_stalled or other.audit.is_stalled,
        )
        return self._replace(
            connections=self.connections + other.connections,
            upstream_idle=self.upstream_idle + other.upstream_idle,
            upstream_opened=self.upstream_opened + other.upstream_opened,
            log_masked=self.log_masked + other.log_masked,
            handshakes=_sum_of(self.handshakes, other.handshakes),
            secrets=_joined(self.secrets, other.secrets),
            audit=audit,
            exports=_sum_of_exports(self.exports, other.exports),
        )

    def when_it_ended(self) -> "Readings":
        """What stays counted of a worker that is gone: what only goes up."""
        audit = self.audit._replace(queued_bytes=0, is_stalled=False)
        secrets = [secret._replace(age=None) for secret in self.secrets]
        exports = {name: each._replace(queued=0) for name, each in self.exports.items()}
        return self._replace(connections=0, upstream_idle=0, secrets=secrets, audit=audit, exports=exports)


def _sum_of(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


def _joined(first: Sequence[FetchedSecret], second: Sequence[FetchedSecret]) -> list[FetchedSecret]:
    """By name; the age is that of the oldest value."""
    found = {secret.name: secret for secret in first}
    for secret in second:
        same = found.get(secret.name)
        if same is not None:
            ages = [each.age for each in (same, secret) if each.age is not None]
            fetches = Fetches(
                same.fetches.succeeded + secret.fetches.succeeded, same.fetches.failed + secret.fetches.failed
            )
            secret = FetchedSecret(secret.name, max(ages, default=None), fetches)
        found[secret.name] = secret
    return list(found.values())


def _sum_of_exports(
    first: Mapping[str, ExportCondition], second: Mapping[str, ExportCondition]
) -> dict[str, ExportCondition]:
    none = ExportCondition(0, 0, 0, 0)
    return {
        name: ExportCondition(
            *(one + other for one, other in zip(first.get(name, none), second.get(name, none), strict=True))
        )
        for name in {**first, **second}
    }
