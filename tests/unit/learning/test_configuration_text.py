import pytest
from tests.fakes.audit_lines import entry_of

from iron_proxy.config.loading import examine_config
from iron_proxy.config.problems import Problems
from iron_proxy.learning.configuration_text import new_configuration, with_rules
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rules import LearnedRule, learned_rules
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.transforms.allowlist import Allowlist

SILENT = 'dns: {enabled: false}\nproxy: {https_listen: "off"}\n'
BOTH = ["allowlist", "secrets"]
BASE = SILENT + """\
# about the policy
transforms:
  # the rules
  - name: allowlist   # who may
    config:
      domains:
        - a.test      # first
      warn: true
  # what comes behind
  - name: secrets
    config: {secrets: []}
log: {level: warn}    # last
"""


def rules() -> list[LearnedRule]:
    observations = Observations()
    observations.take(entry_of(path="/x"))
    return learned_rules(observations).rules


def hosts_of(text: str) -> tuple[list[str], list[str], Problems]:
    """(names of the transforms, hosts of the allowlist, problems) of a text as it loads."""
    config, problems = examine_config("x.yaml", {}, lambda _: text.encode())
    pipeline = build_pipeline(config, {})
    found = [rule for each in pipeline.transforms if isinstance(each, Allowlist) for rule in each.rules]
    return pipeline.names, [rule.host.text for rule in found if rule.host is not None], problems


def test_a_new_file_loads() -> None:
    text = new_configuration(rules(), ["# why"])

    assert text.startswith("# why\n")
    names, hosts, problems = hosts_of(text)
    assert (names, hosts, problems.errors, problems.warnings) == (["allowlist"], ["ok.test"], [], [])


def test_of_somebodys_own_file_only_the_allowlist_changes() -> None:
    text = with_rules(BASE, rules(), ["# learned"])

    names, hosts, problems = hosts_of(text)
    assert (names, hosts, problems.errors) == (BOTH, ["ok.test"], [])
    before, after = BASE.split("    config:\n      domains", 1)[0], BASE.split("      warn: true\n", 1)[1]
    assert text.startswith(before + "    config:\n      # learned\n      rules:\n")
    assert text.endswith(after)


@pytest.mark.parametrize(
    ("transforms", "names"),
    [
        ("transforms:\n- name: allowlist\n  config:\n    domains: [a.test, b.test]\n", ["allowlist"]),
        ("transforms:\n  - name: allowlist\n    config: {domains: [a.test]}\n", ["allowlist"]),
        ("transforms:\n  - name: allowlist\n    config: {domains: [a.test,\n      b.test]}\n", ["allowlist"]),
        ("transforms:\n  - name: allowlist\n", ["allowlist"]),
        ("transforms:\n  - name: allowlist\n    config:\n  - name: secrets\n    config: {secrets: []}\n", BOTH),
        ("transforms:\n  - config:\n      domains: [a.test]\n    name: allowlist\n", ["allowlist"]),
        ("transforms:\n  - name: secrets\n    config: {secrets: []}\n", BOTH),
        ("transforms:\n", ["allowlist"]),
        ("transforms: []\nlog: {level: info}\n", ["allowlist"]),
        ("", ["allowlist"]),
        ("log:\n  level: info", ["allowlist"]),
    ],
)
def test_however_it_is_indented(transforms: str, names: list[str]) -> None:
    found, hosts, problems = hosts_of(with_rules(SILENT + transforms, rules(), ["# learned"]))

    assert (found, hosts, problems.errors) == (names, ["ok.test"], [])


def test_comments_behind_a_key_with_nothing_in_it_stay() -> None:
    text = with_rules(SILENT + "transforms:\n  - name: allowlist\n    config:\n\n# mine\n", rules(), [])

    assert text.endswith('- "/x"  # 1\n\n# mine\n')


@pytest.mark.parametrize(
    "text",
    [
        '{"transforms": []}',
        SILENT + "transforms: [{name: allowlist}]\n",
        SILENT + "transforms:\n  - {name: allowlist}\n",
        SILENT + "transforms:\n  - name: allowlist\n  - name: allowlist\n",
    ],
)
def test_a_file_that_cannot_be_edited_for_certain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"braces|brackets|more than one"):
        with_rules(text, rules(), [])
