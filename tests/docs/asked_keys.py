"""
Which keys the readers of a configuration ask for, and as what: found by letting them read a section that only listens.

What is asked for may depend on what is there, so they read many times: with everything present, with nothing, and with
each single answer turned round in both, until no new key is asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from iron_proxy.config.problems import Problems
from iron_proxy.config.section import Section

# What a text has to say so that reading goes on behind it.
TEXTS = {"host": "a.test", "cidr": "10.0.0.0/8", "query_param": "q", "header": "X-A", "proxy_ip": "10.0.0.1"}


@dataclass
class Asked:
    """One key: the kinds that it was asked as, the words of a choice, and what is below it."""

    kinds: set[str] = field(default_factory=set)
    options: set[str] = field(default_factory=set)
    below: "dict[str, Asked]" = field(default_factory=dict)


@dataclass
class Scenario:
    """The answers of one reading: `default` for all but the `turned` place, and what texts say, by key."""

    default: bool
    turned: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)        # all that were asked about

    def answers(self, place: str) -> bool:
        self.places.add(place)
        return self.default != (place == self.turned)

    def text(self, place: str, key: str) -> str:
        return self.texts.get(key, TEXTS.get(key, "x")) if self.answers(place) else ""


class ListeningSection(Section):
    """Answers as its scenario says, and notes who asked for what."""

    def __init__(self, scenario: Scenario, asked: dict[str, Asked], path: str = "") -> None:
        super().__init__(None, path, Problems("listening"))
        self._scenario = scenario
        self._asked = asked

    def _note(self, key: str, kind: str) -> Asked:
        asked = self._asked.setdefault(key, Asked())
        asked.kinds.add(kind)
        return asked

    def _place(self, key: str) -> str:
        return f"{self.path}.{key}"

    def _answer(self, key: str) -> bool:
        return self._scenario.answers(self._place(key))

    def has(self, key: str) -> bool:
        self._note(key, "anything")
        return self._answer(key)

    def text(self, key: str, default: str = "") -> str:
        self._note(key, "text")
        return self._scenario.text(self._place(key), key) or default

    def choice(self, key: str, options: Sequence[str], default: str, message: str | None = None) -> str:
        self._note(key, "choice").options.update(options)
        return options[-1] if self._answer(key) else default

    def integer(self, key: str, default: int, *, at_least: int | None = None) -> int:
        self._note(key, "integer")
        return default

    def boolean(self, key: str, default: bool = False) -> bool:
        self._note(key, "boolean")
        return self._answer(key)

    def duration(self, key: str, default: float, *, positive: bool = False) -> float:
        self._note(key, "duration")
        return default

    def texts_with_lines(self, key: str) -> list[tuple[str, int]]:
        self._note(key, "texts")
        return [("x", 1)] if self._answer(key) else []

    def texts_or_sections(self, key: str) -> list[tuple[str, int] | Section]:
        return [("long-enough", 1), self._child(key, "texts_or_mappings", "[]")]

    def section(self, key: str) -> Section | None:
        self._note(key, "mapping")
        return self._child(key, "mapping") if self._answer(key) else None

    def section_or_empty(self, key: str) -> Section:
        return self._child(key, "mapping")

    def sections(self, key: str) -> list[Section]:
        return [self._child(key, "mappings", "[]")]      # always: what is below is to be asked for

    def not_available(self, *keys: str) -> None:
        """Refused whatever they say."""

    def finish(self) -> None:
        """Nothing is unknown here."""

    def _child(self, key: str, kind: str, suffix: str = "") -> Section:
        return ListeningSection(self._scenario, self._note(key, kind).below, self._place(key) + suffix)


Reader = Callable[[Section], object]


def asked_by(reader: Reader, variants: Sequence[dict[str, str]] = ({},)) -> dict[str, Asked]:
    """Everything that a reader asks for; `variants` are texts that lead it down different ways."""
    asked: dict[str, Asked] = {}
    for texts in variants:
        known: set[str] = set()
        while True:
            places = set()
            for scenario in _scenarios(known, texts):
                reader(ListeningSection(scenario, asked))
                places |= scenario.places
            if places <= known:
                break
            known |= places
    return asked


def _scenarios(places: set[str], texts: dict[str, str]) -> Iterator[Scenario]:
    for default in (True, False):
        for turned in ("", *sorted(places)):
            yield Scenario(default, turned, texts)
