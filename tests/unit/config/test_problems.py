import pytest

from iron_proxy.config.problems import Problems, did_you_mean
from iron_proxy.errors import ConfigError


def test_a_problem_names_file_line_and_key() -> None:
    problems = Problems("proxy.yaml")

    problems.error(3, "dns.listen", "is wrong")
    problems.error(None, "tls", "is missing")
    problems.error(4, "", "is no YAML")

    assert problems.errors == [
        "proxy.yaml:3: dns.listen: is wrong",
        "proxy.yaml: tls: is missing",
        "proxy.yaml:4: is no YAML",
    ]


def test_the_same_problem_is_told_once() -> None:
    problems = Problems("proxy.yaml")

    problems.error(3, "dns.listen", "is wrong")
    problems.error(3, "dns.listen", "is wrong")

    assert len(problems.errors) == 1


def test_a_problem_with_a_variable_names_the_variable() -> None:
    problems = Problems("proxy.yaml")

    problems.variable_error("IRON_LOG_LEVEL", "is wrong")

    assert problems.errors == ["environment: IRON_LOG_LEVEL: is wrong"]


@pytest.mark.parametrize("are_errors", [True, False])
def test_unknown_keys_are_errors_or_warnings(are_errors: bool) -> None:
    problems = Problems("proxy.yaml", unknown_keys_are_errors=are_errors)

    problems.unknown_key(2, "proxy", "http_listne", ["http_listen", "workers"])
    problems.unknown_key(2, "proxy", "http_listne", ["http_listen", "workers"])

    sentence = 'proxy.yaml:2: proxy.http_listne: unknown key (did you mean "http_listen"?)'
    assert (problems.errors if are_errors else problems.warnings) == [sentence]
    assert (problems.warnings if are_errors else problems.errors) == []


def test_every_problem_is_raised_at_once() -> None:
    problems = Problems("x")
    problems.raise_if_any()
    problems.error(1, "a", "one")
    problems.error(2, "b", "two")

    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()

    assert caught.value.problems == ["x:1: a: one", "x:2: b: two"]


def test_nothing_is_suggested_for_a_word_that_resembles_none() -> None:
    assert did_you_mean("zzz", ["listen"]) == ""
    assert did_you_mean("serve", ["secrets"], cutoff=0.75) == ""


def test_a_warning_has_its_place() -> None:
    problems = Problems("proxy.yaml")

    problems.warning(3, "a.b", "is odd")
    problems.warning(None, "", "is odd too")

    assert problems.errors == []
    assert problems.warnings == ["proxy.yaml:3: a.b: is odd", "proxy.yaml: is odd too"]
