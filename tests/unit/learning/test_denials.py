import pytest
from tests.fakes.audit_lines import entry_of

from iron_proxy.learning.denials import Denials


def test_denials_are_grouped_with_the_rules_that_would_end_them() -> None:
    denials = Denials()
    for number in range(3):
        time = f"2026-11-25T00:00:0{number}Z"
        denials.take(entry_of(action="reject", host="new.test", path=f"/users/{number}", time=time))
    denials.take(entry_of(action="reject", host="other.test"))
    denials.take(entry_of())

    first, second = denials.most_first()

    assert (first.host, first.requests, first.reason) == ("new.test", 3, "no rule matches the host")
    assert (first.first[-3:], first.last[-3:]) == ("00Z", "02Z")
    (rule,) = first.rules()
    assert rule.mapping()["paths"] == ["/users/?*"]
    assert second.host == "other.test"


def test_a_denial_to_a_client_is_ended_by_a_rule_for_it() -> None:
    denials = Denials()
    denials.take(entry_of(action="reject", client="ci"))

    (rule,) = denials.most_first()[0].rules()
    assert rule.clients == ("ci",)


@pytest.mark.parametrize("rejected_by", ["secrets", ""])
def test_where_no_rule_helps_none_is_shown(rejected_by: str) -> None:
    denials, entry = Denials(), entry_of(action="reject", request_transforms=[])
    entry.rejected_by = rejected_by
    denials.take(entry)

    assert denials.most_first()[0].rules() == []


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.learning.denials.MAX_DENIALS", 10)
    denials = Denials()
    for number in range(30):
        denials.take(entry_of(action="reject", host=f"h{number}.test"))

    assert (len(denials.most_first()), denials.omitted) == (10, 20)
