"""
Read the configuration again, build everything that it asks for, then put all of it in force in one step.

Nothing changes before the whole is built and bound; any failure leaves the old one as it was, with the reasons in the
answer. Between the first and the last line of `_swap` the loop does not turn, so that a request begins under the old
configuration or under the new one. Asked by the management API and by SIGHUP; one reload at a time, and whoever asks
while one is about to begin shares it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import UNSET

from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.config.schema import Config
from iron_proxy.dns.answers import Zone
from iron_proxy.dns.lookup_limits import LookupLimits
from iron_proxy.errors import ConfigError, IronProxyError, StartupError
from iron_proxy.listeners.accept import Listener
from iron_proxy.management.control import MANAGEMENT_API, Left, ReloadResult
from iron_proxy.management.key import read_key
from iron_proxy.proxy.services import Leaves, Services
from iron_proxy.runtime.assemble import Assembly, bind_listeners, build_services
from iron_proxy.runtime.capacity_part import capacity_now
from iron_proxy.runtime.dns_part import DNSPart, bind_dns, build_lookups, build_zone
from iron_proxy.runtime.fleet import NewPolicy
from iron_proxy.runtime.not_reloadable import left_as_it_was, same_address
from iron_proxy.runtime.own_thread import Busy, OwnThread
from iron_proxy.runtime.parts import Parts
from iron_proxy.runtime.policy_reading import ReadPolicy, Source, read_ca_again, read_policy
from iron_proxy.runtime.process_log import report, set_level
from iron_proxy.runtime.start_environment import forget_secrets

# A policy of 10,000 rules is read and built in seconds; what takes longer waits for a file that does not come.
READ_SECONDS = 60.0
_SLOW = "reading the configuration took too long: a file that it names does not come to an end"
_BIND_ORDER = "a reload binds a new address before it drops the old one"
_NO_RIGHTS = "process.user has given up the right to at the start; restart to bind it"


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Built:
    """All of a new configuration but its sockets."""

    config: Config
    services: Services
    zone: Zone
    text: bytes | None               # of the file that it is of
    ca_files: CAFiles | None
    key_digest: bytes                # of the management API
    left: tuple[Left, ...]
    secret_variables: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Sockets:
    """What is bound for it: new listeners, and DNS where its address is new."""

    listeners: list[Listener]
    dns: DNSPart | None

    def close(self) -> None:
        """Nothing will be served on them."""
        dns = () if self.dns is None else (*self.dns.datagrams, *self.dns.streams)
        for sock in (*(listener.sock for listener in self.listeners), *dns):
            sock.close()


class Reloader:
    """Replaces the services of an assembly. `config` and `key_digest` are those in force, `last` tells how it went."""

    def __init__(self, source: Source, assembly: Assembly, parts: Parts) -> None:
        self.config = source.config
        self.key_digest = source.key_digest
        self.last: dict[str, Any] | None = None
        self._start = source.config
        self._origin = source.origin
        self._assembly = assembly
        self._parts = parts
        self._ca_files = source.ca_files
        self._lock = asyncio.Lock()
        self._thread = OwnThread("reload")
        self._about_to_begin: asyncio.Task[ReloadResult] | None = None

    async def reload(self, by: str) -> ReloadResult:
        """
        Reload; goes on when the caller is cancelled. Never raises for what is read.

        `by` is told in the logs. A call that comes before a waiting reload has begun to read is answered by that one.
        """
        if self._about_to_begin is None:
            self._about_to_begin = self._parts.in_background(self._in_turn(by), "reload")
        return await asyncio.shield(self._about_to_begin)

    async def _in_turn(self, by: str) -> ReloadResult:
        async with self._lock:
            self._about_to_begin = None
            try:
                result = await self._reload(by)
            except IronProxyError as error:
                problems = tuple(error.problems) if isinstance(error, ConfigError) else (str(error),)
                result = self._refused(by, problems)
            except Exception as error:  # noqa: BLE001 - a bug must not end what is served
                result = self._failed(by, error)
        self.last = {"time": timestamp(), "by": by, "status": result.status, "problems": list(result.problems)}
        return result

    async def _reload(self, by: str) -> ReloadResult:
        policy = await self._read(lambda: read_policy(self._origin))
        try:
            policy.problems.raise_if_any()
            built = await self._read(lambda: self._build(policy))
            sockets = self._bind(built)
            await self._prepare_workers(built, sockets)
        except BaseException:
            await policy.aclose()
            raise
        return await self._swap(by, built, sockets, tuple(policy.problems.warnings))

    # --- build ------------------------------------------------------------------------------------------------------

    async def _read(self, work: Callable[[], Result]) -> Result:
        try:
            return await self._thread.run(work, READ_SECONDS)
        except (TimeoutError, Busy) as error:
            raise StartupError(_SLOW) from error

    def _build(self, policy: ReadPolicy) -> _Built:
        """Outside the loop: certificates and files are read here."""
        assembly, former = self._assembly, self._assembly.services
        config, left = left_as_it_was(self._start, policy.config)
        ca_files, kept = read_ca_again(config.tls, self._ca_files)
        services = build_services(
            config,
            policy.pipeline,
            ca_files,
            policy.clients,
            former.audit,
            assembly.own.includes,
            assembly.recent_dials,
            former=former,
            leaves=self._same_leaves(config, ca_files),
            upstream_metrics=assembly.upstream_metrics,
            for_workers=assembly.fleet is not None,
        )
        left += () if kept is None else (kept,)
        zone, key = build_zone(config.dns, services), self._key(config)
        return _Built(config, services, zone, policy.text, ca_files, key, left, policy.secret_variables)

    def _key(self, config: Config) -> bytes:
        """A variable is what it was at the start; a file may have been replaced."""
        if config.management.listen is None or config.management.api_key_file is None:
            return self.key_digest
        return read_key(config.management, self._origin.environment)[0]

    def _same_leaves(self, config: Config, ca_files: CAFiles | None) -> Leaves | None:
        """The leaves of before, if they would be made in the same way now."""
        before = self._ca_files
        if ca_files is None or before is None or _leaf_settings(config) != _leaf_settings(self.config):
            return None
        is_same = (ca_files.certificate, ca_files.key) == (before.certificate, before.key)
        return self._assembly.services.leaves if is_same else None

    def _bind(self, built: _Built) -> _Sockets:
        assembly, config = self._assembly, built.config
        names = _moved_listeners(self.config, config)
        listeners: list[Listener] = []
        try:
            listeners = bind_listeners(
                config, built.services, assembly.counts, assembly.own, assembly.recent_dials, names
            )
            dns = bind_dns(config.dns, built.services) if _dns_moves(self.config, config) else None
        except StartupError as error:
            for listener in listeners:
                listener.sock.close()
            had_rights = config.process.user is not None and isinstance(error.__cause__, PermissionError)
            raise StartupError(f"{error} ({_NO_RIGHTS if had_rights else _BIND_ORDER})") from error
        return _Sockets(listeners, dns)

    async def _prepare_workers(self, built: _Built, sockets: _Sockets) -> None:
        fleet = self._assembly.fleet
        if fleet is None:
            return
        former, services = self._assembly.services, built.services
        keeps_leaves = services.leaves is former.leaves
        policy = NewPolicy(built.text, services.snapshot.generation, built.ca_files is not None, keeps_leaves)
        try:
            await fleet.prepare(policy)
        except BaseException:
            sockets.close()
            raise

    # --- swap -------------------------------------------------------------------------------------------------------

    async def _swap(self, by: str, built: _Built, sockets: _Sockets, warnings: tuple[str, ...]) -> ReloadResult:
        parts, former_dns, fleet = self._parts, self._parts.dns, self._assembly.fleet
        dns_moves = _dns_moves(self.config, built.config)
        try:
            if sockets.dns is not None:
                await parts.start_dns(sockets.dns)
            self._put_in_force(built, sockets)
        except BaseException:
            if fleet is not None:
                fleet.abandon()
            raise
        workers = () if fleet is None else await fleet.commit(built.services.leaves)
        if dns_moves and former_dns is not None:
            await parts.stop_dns(former_dns)
        result = ReloadResult("ok", built.services.snapshot.generation, (), warnings, built.left, workers)
        self._tell(by, result)
        return result

    def _put_in_force(self, built: _Built, sockets: _Sockets) -> None:
        parts, former, services = self._parts, self._assembly.services, built.services
        moved = _moved_listeners(self.config, built.config)
        if parts.dns is not None and sockets.dns is None and built.config.dns.enabled:
            self._renew_dns(parts.dns.part, built)
        unused = former.retire(services)
        self._assembly.services = services
        self._assembly.drain_delay = built.config.proxy.drain_delay
        parts.close_when_unused(former, unused)
        for name in moved:
            parts.retire_listener(name)
        for listener in sockets.listeners:
            parts.add_listener(listener)
        set_level(built.config.log.level)
        forget_secrets(built.secret_variables)
        if built.config.limits != self.config.limits:
            self._assembly.counts.capacity = capacity_now(built.config.limits)     # those that are open stay
        self.config, self._ca_files, self.key_digest = built.config, built.ca_files, built.key_digest

    def _renew_dns(self, part: DNSPart, built: _Built) -> None:
        old, new = self.config.dns, built.config.dns
        part.server.responder.replace(
            built.zone,
            build_lookups(new) if new.upstream_resolver != old.upstream_resolver else None,
            LookupLimits(new.lookups_per_minute) if new.lookups_per_minute != old.lookups_per_minute else None,
        )

    # --- what is told -----------------------------------------------------------------------------------------------

    def _tell(self, by: str, result: ReloadResult) -> None:
        for warning in result.warnings:
            report(logging.WARNING, warning)
        for key, reason in result.left:
            report(logging.WARNING, "not reloaded", key=key, reason=reason)
        names = self._assembly.services.snapshot.pipeline.names
        # Parity: upstream's words, the second of which say what has happened wherever the wish came from.
        message = "pipeline reloaded via management API" if by == MANAGEMENT_API else "configuration reloaded"
        report(logging.INFO, message, transforms=names, postgres_listener=False, generation=result.generation, by=by)
        details: dict[str, Any] = {"generation": result.generation, "by": by}
        if result.left:
            details["not_reloaded"] = [key for key, _ in result.left]
        self._audit("INFO", "allow", details)

    def _refused(self, by: str, problems: tuple[str, ...]) -> ReloadResult:
        generation = self._assembly.services.snapshot.generation
        report(logging.WARNING, "reload refused: the configuration is as it was", by=by, problems=problems)
        self._audit("WARN", "reject", {"generation": generation, "by": by}, problems[0])
        return ReloadResult("refused", generation, problems)

    def _failed(self, by: str, error: Exception) -> ReloadResult:
        generation = self._assembly.services.snapshot.generation
        # The type only: the text of a foreign exception may quote a secret.
        report(logging.ERROR, "reload failed: the configuration is as it was", by=by, error=type(error).__name__)
        self._audit("ERROR", "error", {"generation": generation, "by": by}, "internal error")
        return ReloadResult("failed", generation)

    def _audit(self, level: str, action: str, details: dict[str, Any], reason: str = "") -> None:
        self._assembly.services.audit.emit(
            EventRecord(
                time=timestamp(), level=level, event="reload", action=action, reason=reason or UNSET, reload=details
            )
        )


def _leaf_settings(config: Config) -> tuple[object, ...]:
    return config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours, config.proxy.http2


def _moved_listeners(old: Config, new: Config) -> frozenset[str]:
    """The names of listeners that are new, gone or elsewhere."""
    pairs = {
        "http": (old.proxy.http_listen, new.proxy.http_listen),
        "https": (old.proxy.https_listen, new.proxy.https_listen),
        "tunnel": (old.proxy.tunnel_listen, new.proxy.tunnel_listen),
    }
    return frozenset(name for name, (before, now) in pairs.items() if not same_address(before, now))


def _dns_moves(old: Config, new: Config) -> bool:
    before, now = (config.dns.listen if config.dns.enabled else None for config in (old, new))
    return not same_address(before, now)
