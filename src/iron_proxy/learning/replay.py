"""
Recorded requests put to another configuration: how many would be treated alike, and which would not.

Called by `cli/replay.py`. In bounded memory: changes are told by what they have in common.
"""

from dataclasses import dataclass, field

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.learning.judge import Judge
from iron_proxy.learning.questions import Question, Verdict, past_verdict, question_of

# A table of more is read by nobody; what is beyond is counted.
MAX_CHANGES = 1000
_MAX_PATHS = 3


@dataclass(slots=True)
class Change:
    """
    Requests whose verdict changes for one reason. `paths` are the first few; `why` is the rule or the reason, now.

    `was` and `becomes` are `allowed` or `denied`.
    """

    was: str
    becomes: str
    host: str
    scheme: str
    method: str
    client: str
    why: str
    requests: int = 0
    paths: list[str] = field(default_factory=list)


_Key = tuple[str, str, str, str, str]


class Replay:
    """Feed it with records of requests."""

    def __init__(self, judge: Judge) -> None:
        self.requests = 0
        self.same = 0
        self.changed = 0
        self.warned_only = 0                       # let through, now, by nothing but `warn: true`
        self.not_asked = 0                         # policy was not asked then, or not the one that decided
        self.unknown: dict[str, int] = {}          # cannot be decided now, by reason
        self.changes_omitted = 0                   # requests of changes beyond the limit
        self._judge = judge
        self._changes: dict[_Key, Change] = {}

    @property
    def changes(self) -> list[Change]:
        """What is denied now first, then by the number of requests."""
        return sorted(self._changes.values(), key=lambda each: (each.becomes != "denied", -each.requests, each.host))

    async def take(self, entry: Entry) -> None:
        """Judge one request again."""
        self.requests += 1
        question, was = question_of(entry), past_verdict(entry)
        if question is None or was is Verdict.UNDECIDED:
            self.not_asked += 1
            return
        judgement = await self._judge.judge(question, entry.remote_addr)
        if judgement.verdict is Verdict.UNDECIDED:
            self.unknown[judgement.why] = self.unknown.get(judgement.why, 0) + 1
            return
        self.warned_only += judgement.verdict is Verdict.WARNED
        if judgement.verdict.lets_through == was.lets_through:
            self.same += 1
            return
        self.changed += 1
        self._note(question, was, judgement.why)

    def _note(self, question: Question, was: Verdict, why: str) -> None:
        host = str(question.target) if question.scheme == "tunnel" else question.target.host_text(question.scheme)
        key = (host, question.scheme, question.method, question.client, why)
        change = self._changes.get(key)
        if change is None:
            if len(self._changes) >= MAX_CHANGES:
                self.changes_omitted += 1
                return
            words = ("allowed", "denied") if was.lets_through else ("denied", "allowed")
            change = self._changes[key] = Change(*words, *key)
        change.requests += 1
        if question.path not in change.paths and len(change.paths) < _MAX_PATHS:
            change.paths.append(question.path)
