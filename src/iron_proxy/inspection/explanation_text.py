"""An `Explanation` as lines for a person. Called by `cli/explain.py`."""

from collections.abc import Iterator
from typing import Any

from iron_proxy.inspection.explanation import Explanation
from iron_proxy.inspection.outgoing import HIDDEN, Outgoing

_LABEL_WIDTH = 12


def explanation_lines(answer: Explanation, source: str) -> Iterator[str]:
    """The lines; `source` is what the configuration is called. Control characters are made visible."""
    for line in _lines(answer, source):
        yield "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)


def _lines(answer: Explanation, source: str) -> Iterator[str]:
    yield f"{answer.verdict.upper()}  {answer.method} {answer.url}"
    facts = {
        "client": answer.client,
        "rule": _rule_text(answer, source),
        "reason": answer.reason,
        "decided by": answer.decided_by,
        "status": "" if answer.status is None else str(answer.status),
        "would allow": f"{answer.hint}   (under rules: of the allowlist)" if answer.hint else "",
        "tls": answer.tls,
    }
    yield from (_labelled(label, text) for label, text in facts.items() if text)
    for each in answer.addresses:
        yield _labelled("address", each.address + (f", denied: in {each.denied_by}" if each.denied_by else ""))
    for trace in answer.transforms:
        yield _labelled("transform", _trace_text(trace))
    for use in answer.secrets:
        yield _labelled("secret", f"{use.secret} {use.how}: {', '.join(use.locations)}")
    if answer.sent is not None:
        yield from _sent_lines(answer.sent)
    for note in answer.notes:
        yield _labelled("note", note)


def _rule_text(answer: Explanation, source: str) -> str:
    rule = answer.rule
    if rule is None or not rule.place:
        return rule.text if rule is not None else ""
    place = source if rule.line is None else f"{source}:{rule.line}"
    return f"{rule.text}   ({place}, {rule.place})"


def _trace_text(trace: dict[str, Any]) -> str:
    text = f"{trace['name']}: {trace['action']}"
    if "error" in trace:
        text += f", {trace['error']}"
    # Where secrets go has lines of its own.
    notes = {key: value for key, value in trace.get("annotations", {}).items() if key not in ("swapped", "injected")}
    return text + "".join(f", {key}={value}" for key, value in notes.items())


def _sent_lines(sent: Outgoing) -> Iterator[str]:
    yield _labelled("sent", sent.start_line)
    for name, value in sent.fields:
        yield _labelled("", f"{name}: {value}")
    if sent.body_size == 0:
        return
    yield ""
    for line in (HIDDEN if sent.body is None else sent.body).split("\n"):
        yield _labelled("", line)


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"
