"""
How two rules stand to each other: does one admit all that the other does, could one request fit both?

Where patterns make an exact answer hard, `covers` says no and `overlaps` says yes: a check that keeps silent is better
than one that accuses a rule that counts. Called by `rule_checks.py` and `secret_checks.py`.
"""

import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex

_LAST_WILDCARD = re.compile(r".*[*?\]]", re.DOTALL)
# A name that no exact rule has: what still covers it covers everything.
_NOBODYS = "nobody.invalid"


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether `wide` certainly admits every request that `narrow` admits, with the same leave to be dialled."""
    if narrow.names_address and not wide.names_address:
        return False                               # naming an address lifts the deny list
    return (
        _host_covers(wide, narrow)
        and _set_covers(wide.ports, narrow.ports)
        and _set_covers(wide.schemes, narrow.schemes)
        and _set_covers(wide.clients, narrow.clients)
        and _set_covers(wide.methods, narrow.methods)
        and _paths_cover(wide.paths, narrow.paths)
    )


def overlaps(one: Rule, other: Rule) -> bool:
    """Whether some request could fit both."""
    return (
        _hosts_overlap(one, other)
        and not _are_apart(one.ports, other.ports)
        and not _are_apart(one.schemes, other.schemes)
        and not _are_apart(one.clients, other.clients)
        and not _are_apart(one.methods, other.methods)
        and _paths_overlap(one.paths, other.paths)
    )


def possible_coverers(rule: Rule, index: RuleIndex) -> list[Rule]:
    """The few rules of an index that may cover one, so that not all of them have to be compared."""
    if rule.cidr is not None:
        return list(index.candidates(str(network_of(rule.cidr).network_address)))
    pattern = rule.host
    if pattern is None:
        return []
    if pattern.glob is not None:
        alike = [other for other in index.rules if other.host is not None and other.host.glob == pattern.glob]
        return [*alike, *index.candidates(_fixed_end(pattern.glob).lstrip(".") or _NOBODYS)]
    return list(index.candidates(pattern.exact or pattern.suffix or _NOBODYS))


def network_of(pattern: CIDRPattern) -> IPv4Network | IPv6Network:
    """A CIDR pattern as the standard library knows it."""
    network: IPv4Network | IPv6Network
    if pattern.version == 4:
        network = IPv4Network((pattern.first, pattern.prefix_length))
    else:
        network = IPv6Network((pattern.first, pattern.prefix_length))
    return network


def own_network(rule: Rule) -> IPv4Network | IPv6Network | None:
    """The range of a rule that names addresses; None for names."""
    if rule.cidr is not None:
        return network_of(rule.cidr)
    if rule.host is not None and rule.host.is_address and rule.host.exact is not None:
        return ip_network(rule.host.exact)
    return None


# --- hosts ----------------------------------------------------------------------------------------------------------


def _host_covers(wide: Rule, narrow: Rule) -> bool:
    if wide.host is not None and wide.host.matches_all:
        return True
    if narrow.cidr is not None:
        return wide.cidr is not None and _contains(wide.cidr, narrow.cidr)
    pattern = narrow.host
    if pattern is None or pattern.matches_all:
        return False
    if pattern.exact is not None:
        return _fits(wide, pattern.exact)
    if wide.host is None:
        return False
    if pattern.suffix is not None:
        return wide.host.suffix is not None and wide.host.matches(pattern.suffix)
    return wide.host.glob == pattern.glob or _ends_below(pattern, wide.host)


def _hosts_overlap(one: Rule, other: Rule) -> bool:
    if any(rule.host is not None and rule.host.matches_all for rule in (one, other)):
        return True
    for rule, partner in ((one, other), (other, one)):
        if rule.host is not None and rule.host.exact is not None:
            return _fits(partner, rule.host.exact)
    if one.cidr is not None and other.cidr is not None:
        return _contains(one.cidr, other.cidr) or _contains(other.cidr, one.cidr)
    if one.host is None or other.host is None:
        # A range, and names: of these only a shell pattern may look like an address.
        return any(rule.host is not None and rule.host.glob is not None for rule in (one, other))
    if one.host.suffix is not None and other.host.suffix is not None:
        return one.host.matches(other.host.suffix) or other.host.matches(one.host.suffix)
    return True


def _fits(rule: Rule, host: str) -> bool:
    return (rule.host is not None and rule.host.matches(host)) or (rule.cidr is not None and rule.cidr.matches(host))


def _contains(wide: CIDRPattern, narrow: CIDRPattern) -> bool:
    return wide.prefix_length <= narrow.prefix_length and wide.contains((narrow.version, narrow.first))


def _ends_below(pattern: HostPattern, wide: HostPattern) -> bool:
    """`api-*.example.com` lies below `*.example.com`: all that it matches ends in the domain."""
    end = _fixed_end(pattern.glob or "")
    return wide.suffix is not None and end.endswith(f".{wide.suffix}")


def _fixed_end(glob: str) -> str:
    return _LAST_WILDCARD.sub("", glob)




# --- the rest -------------------------------------------------------------------------------------------------------


def _set_covers(wide: Collection[object], narrow: Collection[object]) -> bool:
    """An empty set admits anything."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def _are_apart(one: Collection[object], other: Collection[object]) -> bool:
    return bool(one) and bool(other) and set(one).isdisjoint(other)


def _paths_cover(wide: Iterable[PathPattern], narrow: tuple[PathPattern, ...]) -> bool:
    wide = tuple(wide)
    return not wide or (bool(narrow) and all(any(_path_covers(each, path) for each in wide) for path in narrow))


def _path_covers(wide: PathPattern, narrow: PathPattern) -> bool:
    if narrow.exact is not None:
        return wide.matches(narrow.exact)
    if narrow.prefix is not None:
        return wide.prefix is not None and narrow.prefix.startswith(wide.prefix)
    return wide.text == narrow.text


def _paths_overlap(one: tuple[PathPattern, ...], other: tuple[PathPattern, ...]) -> bool:
    return not one or not other or any(_path_overlaps(a, b) for a in one for b in other)


def _path_overlaps(one: PathPattern, other: PathPattern) -> bool:
    for path, partner in ((one, other), (other, one)):
        if path.exact is not None:
            return partner.matches(path.exact)
    if one.prefix is not None and other.prefix is not None:
        return one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    return True
