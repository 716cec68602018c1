"""
What a reload leaves as it was, key by key, with the reason: told to whoever asked for the reload.

Compared with the configuration of the start, so that each reload tells it again until the restart has come. Called by
`reload.py`.
"""

from dataclasses import fields, replace
from typing import Any

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config, ProxyConfig
from iron_proxy.management.control import Left

_BOUND_ONCE = "is bound at the start; restart to change it"
_KERNEL = "the listeners' sockets are made for it at the start; restart to change it"
_GIVEN_UP = "what the process may do was settled at the start; restart to change it"
_WORKERS = "the workers have it from the start; restart to change it"
_ONE_LOG = "the log goes on as it began, so that no record falls between two; restart to change it"
_LISTENERS = ("http_listen", "https_listen", "tunnel_listen")


def left_as_it_was(start: Config, wanted: Config) -> tuple[Config, tuple[Left, ...]]:
    """The configuration to put in force, which is the wanted one but for the second: what stays as it was."""
    left: list[Left] = []
    if not same_address(start.metrics.listen, wanted.metrics.listen):
        left.append(Left("metrics.listen", _BOUND_ONCE))
    if not same_address(start.management.listen, wanted.management.listen):
        left.append(Left("management.listen", _BOUND_ONCE))
    left += _differing("management", start.management, wanted.management, _BOUND_ONCE, beside=("listen",))
    if start.proxy.transparent != wanted.proxy.transparent:
        left.append(Left("proxy.transparent", _KERNEL))
    if start.proxy.workers != wanted.proxy.workers:
        left.append(Left("proxy.workers", _WORKERS))
    if start.proxy.workers != 1:
        addresses = {name: (getattr(start.proxy, name), getattr(wanted.proxy, name)) for name in _LISTENERS}
        left += [Left(f"proxy.{name}", _WORKERS) for name, pair in addresses.items() if not same_address(*pair)]
    if start.log.audit_schema != wanted.log.audit_schema:
        left.append(Left("log.audit_schema", _ONE_LOG))
    left += _differing("process", start.process, wanted.process, _GIVEN_UP)
    left += _differing("audit", start.audit, wanted.audit, _ONE_LOG, beside=("session_records",))
    return _in_force(start, wanted), tuple(left)


def _in_force(start: Config, wanted: Config) -> Config:
    return replace(
        wanted,
        metrics=start.metrics,
        management=start.management,
        proxy=_proxy_in_force(start.proxy, wanted.proxy),
        process=start.process,
        log=replace(wanted.log, audit_schema=start.log.audit_schema),
        audit=replace(start.audit, session_records=wanted.audit.session_records),
    )


def _proxy_in_force(start: ProxyConfig, wanted: ProxyConfig) -> ProxyConfig:
    """Where there are workers, they keep their listeners."""
    kept = replace(wanted, transparent=start.transparent, workers=start.workers)
    if start.workers == 1:
        return kept
    return replace(
        kept,
        http_listen=start.http_listen,
        https_listen=start.https_listen,
        tunnel_listen=start.tunnel_listen,
    )


def _differing(block: str, old: Any, new: Any, reason: str, *, beside: tuple[str, ...] = ()) -> list[Left]:
    names = [each.name for each in fields(old) if each.name not in beside]
    return [Left(f"{block}.{name}", reason) for name in names if getattr(old, name) != getattr(new, name)]


def same_address(first: ListenAddress | None, second: ListenAddress | None) -> bool:
    """Whether two listen addresses are the same, however they are written."""
    if first is None or second is None:
        return first is second
    return (first.host, first.port) == (second.host, second.port)
