"""
Tripwires: proxy tokens where they do not belong, and honeytokens anywhere.

A proxy token is worthless to whoever steals it, but the attempt to use it elsewhere shows that something in the
sandbox has been talked into it. It belongs in the requests that the rules of an entry with this token fit; in any
other it is noted, or refused where the entry says `on_misuse: reject`. Called by `transform.py` before anything else.
"""

from collections.abc import Iterable

from iron_proxy.messages.headers import Fields
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.honeytokens import Honeytoken, Honeytokens
from iron_proxy.transforms.secrets.plan import Plan
from iron_proxy.transforms.secrets.sightings import Sightings, TokenWatch

_NONE: frozenset[bytes] = frozenset()


class Tripwires:
    """What to look out for, of one configuration. `honeytokens` counts its uses."""

    def __init__(
        self, entries: Iterable[Entry], honeytokens: Iterable[Honeytoken] = (), *, is_rehearsal: bool = False
    ) -> None:
        self.honeytokens = Honeytokens(honeytokens, is_rehearsal=is_rehearsal)
        self._owners: dict[bytes, list[Entry]] = {}
        for entry in entries:
            if entry.replacement is not None:
                self._owners.setdefault(entry.replacement.token, []).append(entry)
        tokens = self._owners.keys() | self.honeytokens.values
        # Without tokens nothing is compiled, and nothing looked at.
        self._watch = TokenWatch(tokens) if tokens else None
        self._shortest = self._watch.shortest if self._watch is not None else 0

    def look(self, exchange: Exchange, plan: Plan | None) -> Reject | None:
        """
        Look at a request, and annotate what does not belong in it; the rejection when it may not go on.

        A body that an entry looks into anyway is left to `look_at_body`, once it has arrived.
        """
        watch = self._watch
        if watch is None:
            return None
        request = exchange.request
        fields, target = request.headers.fields, request.target
        known = fields.sightings if isinstance(fields, Fields) else None
        # In fields that a connection's requests share it is looked once per plan and destination.
        if known is not None and known[0] is watch and known[1] is plan and known[2] is target:
            seen: Sightings = known[3]
        else:
            seen = self._strange(watch.in_head(fields, target.host), plan)
            if isinstance(fields, Fields):
                fields.sightings = (watch, plan, target, seen)
        shortest, query = self._shortest, request.raw_query
        if len(request.raw_path) >= shortest:
            seen += self._strange(watch.in_path(request.raw_path), plan)
        if query is not None and len(query) >= shortest:
            seen += self._strange(watch.in_query(query), plan)
        if request.body.length != 0 and (plan is None or plan.body is None):
            seen += self._strange(watch.in_body(request), plan)
        return self._report(exchange, seen) if seen else None

    def look_at_body(self, exchange: Exchange, plan: Plan) -> Reject | None:
        """Look at the body of a request whose plan has read what it wants of it."""
        if self._watch is None or plan.body is None or exchange.request.body.length == 0:
            return None
        seen = self._strange(self._watch.in_body(exchange.request), plan)
        return self._report(exchange, seen) if seen else None

    def look_at_refused(self, exchange: Exchange, plan: Plan | None) -> None:
        """Look at a request that another transform has refused, to annotate it."""
        if self._watch is not None:
            self.look(exchange, plan)
            if plan is not None:
                self.look_at_body(exchange, plan)

    def _strange(self, seen: Sightings, plan: Plan | None) -> Sightings:
        """Without the tokens of the entries that apply."""
        if not seen:
            return seen
        fitting = _NONE if plan is None else plan.fitting
        return tuple(sighting for sighting in seen if sighting.token not in fitting)

    def _report(self, exchange: Exchange, seen: Sightings) -> Reject | None:
        refusing = self._annotate_misuse(exchange, seen)
        rejection = self.honeytokens.report(exchange, seen)
        if rejection is not None or refusing is None:
            return rejection
        exchange.annotate("rejected", refusing.name)
        exchange.annotate("reject_reason", "token_misuse")
        return Reject(f'secret "{refusing.name}": its proxy token does not belong in this request')

    def _annotate_misuse(self, exchange: Exchange, seen: Sightings) -> Entry | None:
        """Note the entries whose tokens were seen; returns the first that refuses this."""
        refusing = None
        misuse: list[dict[str, object]] = exchange.notes.get("token_misuse", [])
        places = {str(noted["secret"]): noted["locations"] for noted in misuse}
        for token, location in seen:
            for entry in self._owners.get(token, ()):
                locations = places.setdefault(entry.name, [])
                if isinstance(locations, list) and location not in locations:
                    locations.append(location)
                if refusing is None and entry.rejects_misuse:
                    refusing = entry
        if places:
            exchange.annotate("token_misuse", [{"secret": name, "locations": where} for name, where in places.items()])
        return refusing
