"""
The table of groups: which arms are measured side by side, at which workloads. `run.py` measures one after the other.

The first group is the proxies. The others ask one question each of one program in different shapes: how its costs grow
with the number of rules, what an idle connection holds, how fast DNS answers are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.arm import Arm
from bench.arms import ARMS, DIRECT, NGINX, NginxReverseProxy
from bench.iron_proxy import IronProxy
from bench.results import PROXIES
from bench.rivals.envoy import Envoy
from bench.workloads import (
    CURVE_WORKLOADS,
    DNS_INTERCEPT,
    DNS_REFUSED,
    IDLE,
    MANY_STREAMS,
    NEW_NAMES,
    RULES_TOGETHER,
    STANDARD_WORKLOADS,
    UPLOADED,
    Workload,
)

# More clients than any other workload has.
_MANY_CONNECTIONS = 12_000


@dataclass(frozen=True, slots=True)
class Group:
    """Arms that run at the same time, and what they are asked to do in turn."""

    name: str
    arms: tuple[Arm, ...]
    workloads: tuple[Workload, ...]
    # Whether fresh starts and memory after all the work are figures of this group.
    measures_starts: bool = False
    # The most rounds that mean anything: what takes memory for good is done once.
    most_rounds: int | None = None


def _shape(name: str, title: str, **changes: int | bool | str) -> IronProxy:
    return IronProxy(name=name, title=title, **changes)  # type: ignore[arg-type]  # the fields of a dataclass


def _curve(kind: str, noun: str, counts: tuple[int, ...]) -> Group:
    arms = tuple(
        _shape(f"{kind.replace('_', '-')}-{count}", f"{count:,} {noun}{'s' if count > 1 else ''}", **{kind: count})
        for count in counts
    )
    return Group(f"scale-{kind.replace('_', '-')}", arms, (CURVE_WORKLOADS[kind],))


CURVES: tuple[Group, ...] = (
    _curve("exact_hosts", "exact host", (1, 10, 100, 1_000, 10_000)),
    _curve("wildcards", "wildcard", (1, 10, 100, 1_000, 10_000)),
    _curve("path_rules", "path rule", (1, 10, 100, 500)),
    _curve("secrets", "secret", (1, 10, 100)),
)
ONE_OF_EACH = _shape("one-of-each", "1 exact host, 1 wildcard, 1 secret", wildcards=1)
MANY_OF_EACH = _shape(
    "many-of-each",
    "10,000 exact hosts, 1,000 wildcards, 100 secrets",
    exact_hosts=10_000,
    wildcards=1_000,
    secrets=100,
)
TOGETHER = Group("scale-together", (ONE_OF_EACH, MANY_OF_EACH), (RULES_TOGETHER,))
UNSCANNED = _shape("body-untouched", "iron-proxy, body untouched")
SCANNED = _shape("body-scanned", "iron-proxy, `match_body`, nothing found", scans_bodies=True)
SCAN = Group("scan", (DIRECT, NGINX, UNSCANNED, SCANNED), (UPLOADED,))
INTERCEPTING = _shape("dns-intercept", "iron-proxy, every name to the proxy", dns_mode="intercept")
STRICT = _shape("dns-strict", "iron-proxy, strict, name refused", dns_mode="strict")
DNS: tuple[Group, ...] = (
    Group("dns-intercept", (INTERCEPTING,), (DNS_INTERCEPT,)),
    Group("dns-refused", (STRICT,), (DNS_REFUSED,)),
)
HELD = Group("idle", (NginxReverseProxy(_MANY_CONNECTIONS), IronProxy(), Envoy()), (IDLE,), most_rounds=1)
NAMES = Group("names", (IronProxy(),), (NEW_NAMES,), most_rounds=1)

STREAMS = Group("streams", (NginxReverseProxy(), IronProxy(), Envoy()), (MANY_STREAMS,))

SCALE: tuple[Group, ...] = (*CURVES, TOGETHER, STREAMS, NAMES, HELD)


def proxies(further: Sequence[Arm] = ()) -> Group:
    """The proxies of the table, and those given on the command line."""
    return Group(PROXIES, (*ARMS, *further), STANDARD_WORKLOADS, measures_starts=True)


def all_groups(further: Sequence[Arm] = ()) -> tuple[Group, ...]:
    """In the order in which they are measured: what fills the kernel's tables comes last."""
    return (proxies(further), SCAN, *DNS, *SCALE)


def narrowed(groups: Sequence[Group], workloads: Sequence[str] | None, arms: Sequence[str] | None) -> list[Group]:
    """
    Only these workloads and arms; None is all of them. Groups with nothing left are left out.

    `scale` stands for all workloads that ask how costs grow. Arms are chosen among the proxies only.
    """
    wanted = None if workloads is None else set(workloads)
    if wanted is not None and "scale" in wanted:
        wanted |= {workload.name for group in SCALE for workload in group.workloads}
    found = []
    for group in groups:
        kept = tuple(each for each in group.workloads if wanted is None or each.name in wanted)
        rows = tuple(each for each in group.arms if arms is None or group.name != PROXIES or each.name in arms)
        if arms is not None and group.name != PROXIES and workloads is None:
            continue  # a choice of proxies alone asks nothing of the other groups
        if kept and rows:
            starts = group.measures_starts and wanted is None
            found.append(Group(group.name, rows, kept, starts, group.most_rounds))
    return found
