"""What one test reached for, through the proxy or past it, in one form; and what is told about it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec import ValidationError, convert

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.audit_reading.terminal_text import escaped
from iron_proxy.learning.questions import OPENING, Verdict, past_verdict, question_of
from iron_proxy.messages.authority import DEFAULT_PORTS
from iron_proxy.testing.direct_egress import DirectEgress

# Names of ours that ask the proxy whether it is done. RFC 2606: nobody has them.
MARK_DOMAIN: Final = "egress-guard.invalid"
# A test that goes wild reaches for thousands; people read the first ones.
_SHOWN: Final = 10


class Seen(NamedTuple):
    """One request, connection or lookup. `scheme` is "" past the proxy; `method` and `path` are "" where unknown."""

    host: str
    port: int
    scheme: str
    method: str
    path: str
    is_allowed: bool
    is_lookup: bool = False

    @property
    def allowing_line(self) -> str:
        """The line for `egress_allow` and the marker."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port in (0, DEFAULT_PORTS.get(self.scheme))
        return self.host if is_usual else f"{host}:{self.port}"

    @property
    def sentence(self) -> str:
        """For people, on one line; fit for a terminal."""
        place = f"{escaped(self.host)} port {self.port or 'unknown'}"
        if not self.scheme:
            kind = "lookup of" if self.is_lookup else "direct connection to"
            return f"{kind} {place}, past the proxy: the client does not use HTTP_PROXY and HTTPS_PROXY"
        if not self.method:
            return f"connection to {place}: the client asked for nothing inside; does it trust the CA?"
        usual = self.port == DEFAULT_PORTS.get(self.scheme)
        authority = self.host if usual else f"{self.host}:{self.port}"
        return f"{escaped(self.method)} {self.scheme}://{escaped(authority + self.path)}"


def seen_in_records(records: Iterable[Mapping[str, Any]], opening_rule: str) -> Iterator[Seen]:
    """
    From audit records. `opening_rule` is the place of the rule that opens every tunnel, so that what comes inside is
    seen before it is refused; a tunnel in which nothing came is told as such.
    """
    opened: dict[tuple[str, int], Seen] = {}
    for record in records:
        entry = _entry_of(record)
        question = question_of(entry) if entry is not None else None
        if entry is None or question is None or question.target.host.endswith(MARK_DOMAIN):
            continue
        host, port = question.target.host, question.target.port
        verdict = past_verdict(entry)
        if question.method == OPENING:
            is_allowed = verdict.lets_through and record.get("rule") != opening_rule
            opened.setdefault((host, port), Seen(host, port, "https", "", "", is_allowed))
        elif verdict is not Verdict.UNDECIDED:
            opened.pop((host, port), None)
            yield Seen(host, port, question.scheme, question.method, entry.path, verdict.lets_through)
    yield from opened.values()


def seen_directly(egress: Iterable[DirectEgress]) -> Iterator[Seen]:
    """From what the watch saw. A lookup that was allowed is not worth telling: the connection follows."""
    for each in egress:
        if not (each.is_lookup and each.is_allowed):
            yield Seen(each.host, each.port, "", "", "", each.is_allowed, each.is_lookup)


def refusal_message(unexpected: Iterable[Seen]) -> str:
    """Why a test fails, and what would allow it."""
    every = list(dict.fromkeys(unexpected))
    lines = list(dict.fromkeys(escaped(each.allowing_line) for each in every))
    marker = ", ".join(f'"{line}"' for line in lines[:_SHOWN])
    more = [f"  and {len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    return "\n".join([
        "unexpected egress:", *(f"  {each.sentence}" for each in every[:_SHOWN]), *more,
        "", "To allow it in this test:", f"  @pytest.mark.egress({marker})",
        "or in all tests, in the configuration of pytest:",
        "  egress_allow =", *(f"    {line}" for line in lines[:_SHOWN]),
    ])  # fmt: skip


def _entry_of(record: Mapping[str, Any]) -> Entry | None:
    try:
        return convert(record, Entry)
    except ValidationError:  # an event with fields of its own
        return None
