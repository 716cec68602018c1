"""
Copy chosen request header fields into the audit record, as annotations `header:<Name>`.

For correlation (`X-Request-Id`, a job's name). The values are written as they are at this place in the pipeline: put
it before `secrets`, never list a field that holds a credential. Nothing is rejected or changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from iron_proxy.config.section import Section
from iron_proxy.go_compat.canonical_header import canonical_header_bytes
from iron_proxy.matching.header_patterns import parse_header_name
from iron_proxy.matching.rule import rules_from
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Verdict


@dataclass(frozen=True, slots=True)
class AnnotationGroup:
    """Which header fields to note on which requests; each field as (lower-case name, annotation key)."""

    index: RuleIndex
    fields: tuple[tuple[bytes, str], ...]


class Annotate:
    """See the module. Every group whose rules cover the request adds its fields."""

    name = "annotate"
    scopes = frozenset((Scope.TUNNEL, Scope.REQUEST))

    def __init__(self, groups: Sequence[AnnotationGroup]) -> None:
        self._groups = groups

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Note the first value of each listed field that is there and not empty."""
        request = exchange.request
        for group in self._groups:
            if not group.index.applies_to(request):
                continue
            for lower_name, key in group.fields:
                value = request.headers.get(lower_name)
                if value:
                    exchange.annotate(key, value.decode("utf-8", "replace"))
        return CONTINUE


def build(section: Section, context: TransformContext) -> RequestTransform:
    """From `annotations`, a list of `rules` and `headers`."""
    groups = [_group(part) for part in section.sections("annotations")]
    if not groups:
        section.problem("annotations", "at least one annotation group is required")
    section.finish()
    return Annotate(groups)


def _group(section: Section) -> AnnotationGroup:
    already_noted = len(section.problems.errors)
    rules = rules_from(section)
    if not rules and len(section.problems.errors) == already_noted:
        section.problem(None, "at least one rule is required")
    texts = section.texts_with_lines("headers")
    if not texts:
        section.problem(None, "at least one header is required")
    fields = []
    for index, (text, line) in enumerate(texts):
        try:
            name = parse_header_name(text)
        except ValueError as error:
            section.problem_at(line, f"headers[{index}]", str(error))
        else:
            fields.append((name.lower(), f"header:{canonical_header_bytes(name).decode('ascii')}"))
    section.finish()
    return AnnotationGroup(RuleIndex(rules), tuple(fields))
