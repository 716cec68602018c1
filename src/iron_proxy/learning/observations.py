"""
What was asked for and what was denied, gathered from records; in bounded memory, whatever the records hold.

A path is kept as it is up to a limit; beyond it only its shape is (`path_shapes.py`), and beyond that limit requests
are counted as omitted. Called by `cli/learn.py` and `denials.py`; `rules.py` makes rules of it.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.go_compat.path_match import MAX_GLOB_LENGTH
from iron_proxy.learning.path_shapes import Path, example_of, shape_of
from iron_proxy.learning.questions import OPENING, PASSED_THROUGH, Question, Verdict, past_verdict, question_of
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import TOKEN

# Different paths that are remembered: some 50 MB. A program that reads a big website asks for tens of thousands.
MAX_PATHS = 200_000
# A pattern has a limit, and where every character of a path has to be escaped it is three times as long.
MAX_PATH_LENGTH = MAX_GLOB_LENGTH // 3


_METHOD = re.compile(TOKEN.decode("ascii") + "+")


class Group(NamedTuple):
    """Requests that differ in their paths only."""

    target: Target
    scheme: str
    method: str
    client: str


@dataclass(slots=True)
class SeenPaths:
    """The paths of one group, and how often each was asked for."""

    paths: Counter[str] = field(default_factory=Counter)
    shapes: Counter[Path] = field(default_factory=Counter)     # of those that came too late to be remembered whole
    pathless: int = 0                                          # requests whose path no rule can name

    @property
    def requests(self) -> int:
        """All of them."""
        return self.paths.total() + self.shapes.total() + self.pathless


class Observations:
    """
    Feed it with records. `clients` are the names that rules may use; every other client is one without a name, unless
    `client_by_address` tells one from its address (`ip:port`), or "".

    `include_denied`: what policy denied counts as asked for too.
    """

    def __init__(
        self,
        clients: Collection[str] = (),
        client_by_address: Callable[[str], str] = lambda peer: "",
        *,
        include_denied: bool = False,
        max_paths: int = MAX_PATHS,
    ) -> None:
        self.asked: dict[Group, SeenPaths] = {}
        self.denied: dict[Group, SeenPaths] = {}
        self.requests = 0                          # that were let through, or count as if they had been
        self.denials = 0                           # of policy
        self.undecided = 0                         # policy was not asked, or not the one to decide
        self.omitted = 0                           # no rule can name them, or there were too many
        self.unnamed_clients: set[str] = set()
        self.refused_tunnels: set[Target] = set()  # that count as asked for; nobody knows what would have come inside
        self.first = self.last = ""
        self._clients = frozenset(clients)
        self._client_by_address = client_by_address
        self._include_denied = include_denied
        self._max_paths = max_paths
        self._kept = 0

    def take(self, entry: Entry) -> None:
        """Remember one request."""
        question, verdict = question_of(entry), past_verdict(entry)
        if question is None or verdict is Verdict.UNDECIDED:
            self.undecided += 1
            return
        self.first = min(self.first or entry.time, entry.time)
        self.last = max(self.last, entry.time)
        if verdict.lets_through or self._include_denied:
            if question.method == OPENING and not verdict.lets_through and len(self.refused_tunnels) < self._max_paths:
                self.refused_tunnels.add(question.target)
            self.requests += 1
            self._keep(self._in_terms_of_rules(question, entry.remote_addr), self.asked)
        if not verdict.lets_through:
            self.denials += 1
            if not self._include_denied:
                self._keep(self._in_terms_of_rules(question, entry.remote_addr), self.denied)

    def _in_terms_of_rules(self, question: Question, peer: str) -> Question:
        if question.client in self._clients:
            return question
        client = self._client_by_address(peer)
        if question.client and not client and len(self.unnamed_clients) < self._max_paths:
            self.unnamed_clients.add(question.client)
        return question._replace(client=client)

    def _keep(self, question: Question, groups: dict[Group, SeenPaths]) -> None:
        method = question.method
        if method not in (OPENING, PASSED_THROUGH) and not is_nameable(method):
            self.omitted += groups is self.asked
            return
        group = Group(question.target, question.scheme, method, question.client)
        seen = groups.get(group)
        if seen is None:
            if not self._has_room():
                self.omitted += groups is self.asked
                return
            seen = groups[group] = SeenPaths()
        if method in (OPENING, PASSED_THROUGH) or question.is_ambiguous or not question.path.startswith("/"):
            seen.pathless += 1
        else:
            self._keep_path(question.path, seen, is_asked=groups is self.asked)

    def _keep_path(self, path: str, seen: SeenPaths, *, is_asked: bool) -> None:
        if path in seen.paths:
            seen.paths[path] += 1
        elif len(path) > MAX_PATH_LENGTH:
            self.omitted += is_asked
        elif self._has_room():
            seen.paths[path] += 1
        else:
            self._keep_shape(path, seen, is_asked=is_asked)

    def _keep_shape(self, path: str, seen: SeenPaths, *, is_asked: bool) -> None:
        shape = shape_of(path)[0]
        if is_asked and (shape in seen.shapes or self._kept < 2 * self._max_paths):
            self._kept += shape not in seen.shapes
            seen.shapes[shape] += 1
        else:
            self.omitted += is_asked

    def _has_room(self) -> bool:
        self._kept += 1
        return self._kept <= self._max_paths


def is_nameable(method: str) -> bool:
    """Whether a rule can mean this method and no other: `*` is any to it, and small letters become capitals."""
    return method != "*" and _METHOD.fullmatch(method) is not None and method == method.upper()


def questions_of(groups: Mapping[Group, SeenPaths]) -> Iterator[tuple[Question, int]]:
    """The questions that were asked, and how often. Of a shape one path stands for all."""
    for group, seen in groups.items():
        target, scheme, method, client = group
        for path, count in seen.paths.items():
            yield Question(target, scheme, method, path, client), count
        for shape, count in seen.shapes.items():
            yield Question(target, scheme, method, example_of(shape), client), count
        if seen.pathless:
            is_ambiguous = method not in (OPENING, PASSED_THROUGH)
            yield Question(target, scheme, method, "", client, is_ambiguous), seen.pathless
