"""
Honeytokens: texts that nobody has a reason to send. Whoever sends one has read what was not meant for it.

They are planted where a workload should not look (a file, a variable, a prompt) and stand for no secret. Seen anywhere
in any request, one ends that request, is logged and counted. Where they are looked for is `sightings.py`.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from iron_proxy.config.section import Section
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.transforms.secrets.sightings import Sighting

# A shorter text may stand in any request by accident, and would refuse it.
_SHORTEST = 8

_log = logging.getLogger("iron_proxy.secrets")


class Honeytoken(NamedTuple):
    """One text, and what logs and audit records call it."""

    name: str
    value: bytes

    def __repr__(self) -> str:
        return f"<Honeytoken {self.name}>"


class Honeytokens:
    """The honeytokens of one configuration. `uses` counts the requests that held each, by name."""

    def __init__(self, honeytokens: Iterable[Honeytoken] = (), *, is_rehearsal: bool = False) -> None:
        self.all = tuple(honeytokens)
        self._names = {each.value: each.name for each in self.all}
        self._is_rehearsal = is_rehearsal        # nobody has used one: what is reported is neither logged nor counted
        self.uses = dict.fromkeys(self._names.values(), 0)

    @property
    def values(self) -> frozenset[bytes]:
        """The texts."""
        return frozenset(self._names)

    def report(self, exchange: Exchange, sightings: Iterable[Sighting]) -> Reject | None:
        """Annotate, log and count the honeytokens among what was seen; the rejection when there is one."""
        places: dict[str, list[str]] = {}
        for token, location in sightings:
            if token in self._names:
                places.setdefault(self._names[token], []).append(location)
        if not places:
            return None
        for name, locations in () if self._is_rehearsal else places.items():
            self.uses[name] += 1
            _log_use(name, exchange, locations)
        exchange.annotate("honeytoken", [{"name": name, "locations": where} for name, where in places.items()])
        exchange.annotate("reject_reason", "honeytoken")
        return Reject(f'honeytoken "{next(iter(places))}" was used')


def honeytokens_from(section: Section) -> list[Honeytoken]:
    """Read `honeytokens`: a list of texts, or of mappings with `name` and `value`. Problems are noted."""
    honeytokens: list[Honeytoken] = []
    for index, part in enumerate(section.texts_or_sections("honeytokens")):
        place = f"honeytokens[{index}]"
        if isinstance(part, Section):
            name, text, line = part.text("name") or place, part.required_text("value"), part.line
            part.finish()
        else:
            (text, line), name = part, place
        value = text.encode("utf-8", "surrogatepass")
        if isinstance(part, Section) and not text:
            continue
        if len(value) < _SHORTEST:
            problem = f"must have at least {_SHORTEST} characters: requests would hold it by accident"
            section.problem_at(line or 0, place, problem)
        elif any(name == other.name or value == other.value for other in honeytokens):
            section.problem_at(line or 0, place, "has the name or the value of another honeytoken")
        else:
            honeytokens.append(Honeytoken(name, value))
    return honeytokens


def _log_use(name: str, exchange: Exchange, locations: list[str]) -> None:
    request = exchange.request
    # In the host name it would be logged with the host.
    host = "(holds the honeytoken)" if "host" in locations else request.target.host_text(request.scheme)
    fields = {"name": name, "client": exchange.client, "host": host}
    if request.client_name:
        fields["client_name"] = request.client_name
    _log.error("honeytoken used", extra={"fields": fields})
