import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.session.test_tally import request

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import read_config
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.transform import TransformContext
from iron_proxy.session.learned_config import learned_config
from iron_proxy.session.learning import MAX_PATH_LENGTH, LearnedRequests
from iron_proxy.transforms.allowlist import Allowlist
from iron_proxy.transforms.registry import build_transforms


def rules_of(text: str) -> tuple[Rule, ...]:
    """What a file with this text allows; it has to load."""
    problems = Problems("learned.yaml")
    config = read_config(parse_config(text, "learned.yaml", problems), {}, in_session=True)
    (allowlist,) = build_transforms(config.transforms, TransformContext({}, None))
    problems.raise_if_any()
    assert isinstance(allowlist, Allowlist)
    return allowlist.rules


def learned_from(*records: tuple[str, str, str]) -> str:
    learned = LearnedRequests()
    for host, method, path in records:
        learned.take(request(host, method=method, path=path))
    return learned_config(learned)


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"/{text}"))
def test_a_rule_admits_its_path_and_no_other(path: str) -> None:
    (rule,) = rules_of(learned_from(("a.test", "GET", path)))

    def admits(target: Target, method: str, path: str, scheme: str = "https") -> bool:
        return rule.matches(Request(method, scheme, target, b"/", path=path))

    assert admits(Target("a.test", 443), "GET", path)
    assert not admits(Target("a.test", 443), "GET", f"{path}x")
    assert not admits(Target("a.test", 443), "POST", path)
    assert not admits(Target("a.test", 443), "GET", path, "http")
    assert not admits(Target("b.test", 443), "GET", path)


def test_the_longest_path_is_a_pattern_too() -> None:
    path = "/" + "*" * (MAX_PATH_LENGTH - 1)

    (rule,) = rules_of(learned_from(("a.test", "GET", path)))

    assert rule.paths[0].matches(path)


def test_counts_stand_beside_what_they_count() -> None:
    text = learned_from(
        ("a.test", "GET", "/x"), ("a.test", "GET", "/x"), ("a.test", "GET", "/y"), ("b.test:8443", "PUT", "/")
    )

    assert '        - host: "a.test"  # 3 requests\n' in text
    assert '            - "/x"  # 2\n            - "/y"  # 1\n' in text
    assert '        - host: "b.test"  # 1 request\n          ports: [8443]\n' in text
    assert len(rules_of(text)) == 2


def test_paths_that_no_rule_can_name_widen_their_rule_and_say_so() -> None:
    learned = LearnedRequests()
    learned.take(request(ambiguous_path=True))

    text = learned_config(learned)
    (rule,) = rules_of(text)

    assert "# 1 asked for with paths that can be read in two ways" in text
    assert not rule.paths
    assert rule.methods == frozenset(("GET",))


def test_tls_that_was_passed_through_is_a_rule_of_a_host_alone() -> None:
    learned = LearnedRequests()
    learned.take(request(method="", path="", mode="passthrough"))

    (rule,) = rules_of(learned_config(learned))

    assert rule.is_host_only


@pytest.mark.parametrize("omitted", [0, 5])
def test_a_file_of_nothing_loads_and_says_what_is_missing(omitted: int) -> None:
    learned = LearnedRequests()
    learned.omitted = omitted

    text = learned_config(learned)

    assert rules_of(text) == ()
    assert "# Nothing was asked for.\n" in text
    assert (f"# {omitted} more requests" in text) is bool(omitted)
