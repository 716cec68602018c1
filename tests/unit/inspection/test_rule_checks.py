"""Rules that do nothing, rules that do too much, and none at all."""

from pathlib import Path

import pytest
from tests.unit.inspection.policies import PLAIN, SILENT, allowlist, findings_of, found


def ids(text: str, folder: Path) -> list[str]:
    return [each for each, _, _ in found(text, folder)]


def test_a_good_allowlist_has_no_findings(tmp_path: Path) -> None:
    text = PLAIN + allowlist(
        "{host: a.test, methods: [GET]}", "{host: a.test, paths: [/x]}", "{host: 127.0.0.1}",
        domains='["*.b.test", "c.test"]', cidrs='["10.0.0.0/8"]',
    )  # fmt: skip

    assert findings_of(text, tmp_path) == []


def test_duplicates_and_covered_rules_name_the_rule_that_counts(tmp_path: Path) -> None:
    text = PLAIN + allowlist(
        "{host: b.test, methods: [GET]}", "{host: b.test}", domains="[\n\n'*.a.test',\n'x.a.test', '*.a.test']"
    )

    assert [(each.id, each.key.rpartition(".")[2], each.message) for each in findings_of(text, tmp_path)] == [
        ("IP101", "domains[2]", '"*.a.test" says the same as "*.a.test" on line 9'),
        ("IP102", "domains[1]", '"x.a.test" is covered by "*.a.test" on line 9'),
        ("IP102", "rules[0]", '"b.test methods=[GET]" is covered by "b.test" on line 13'),
    ]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("*", "IP103"), ("*.com", "IP104"), ("*.co.uk", "IP104"), ("*.github.io", "IP104"), ("*a.test", "IP002")],
)
def test_rules_that_are_too_wide(domain: str, expected: str, tmp_path: Path) -> None:
    assert ids(PLAIN + allowlist(domains=f'["{domain}"]'), tmp_path) == [expected]


def test_a_range_of_everything_is_every_host(tmp_path: Path) -> None:
    assert ids(PLAIN + allowlist(cidrs='["0.0.0.0/0"]'), tmp_path) == ["IP103"]


def test_no_allowlist_at_all(tmp_path: Path) -> None:
    allowing = SILENT + "proxy: {http_listen: ':0', https_listen: off, default_action: allow}\n"

    assert found(PLAIN, tmp_path) == [("IP105", None, "transforms")]
    assert found(allowing, tmp_path) == [("IP106", None, "proxy.default_action")]


@pytest.mark.parametrize(
    ("cidr", "is_denied"), [("10.1.0.0/16", True), ("10.0.0.0/7", False), ("fd00::/16", True), ("11.0.0.0/8", False)]
)
def test_a_rule_within_the_operators_deny_list(cidr: str, is_denied: bool, tmp_path: Path) -> None:
    denying = SILENT + "proxy: {http_listen: ':0', https_listen: off, upstream_deny_cidrs: [10.0.0.0/8, 'fd00::/8']}\n"

    expected = [("IP107", 7, "transforms[0].config.cidrs[0]")] if is_denied else []
    assert found(denying + allowlist(cidrs=f'["{cidr}"]'), tmp_path) == expected


def test_an_address_within_it_and_the_built_in_list_which_yields(tmp_path: Path) -> None:
    denying = SILENT + "proxy: {http_listen: ':0', upstream_deny_cidrs: ['127.0.0.0/8'], https_listen: off}\n"

    assert ids(denying + allowlist(domains='["127.0.0.1"]'), tmp_path) == ["IP107"]
    assert ids(PLAIN + allowlist(domains='["127.0.0.1"]'), tmp_path) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{host: p.test, methods: [GET]}", ["IP108"]),
        ("{host: p.test, paths: [/x]}", ["IP108"]),
        ("{host: p.test}", []),
        ("{host: q.test, methods: [GET]}", []),
        ("{host: p.test, methods: [GET], schemes: [http]}", []),
        ('{host: "*.p.test", methods: [GET]}', []),
    ],
)
def test_a_rule_about_what_is_not_seen(rule: str, expected: list[str], tmp_path: Path) -> None:
    text = PLAIN + 'tls: {passthrough: ["p.test"]}\n' + allowlist(rule)

    assert ids(text, tmp_path) == expected


def test_with_sni_only_no_method_is_seen(tmp_path: Path) -> None:
    text = PLAIN + "tls: {mode: sni-only}\n" + allowlist("{host: q.test, methods: [GET]}")

    assert ids(text, tmp_path) == ["IP108"]


@pytest.mark.slow
def test_ten_thousand_rules_are_compared_in_no_time(tmp_path: Path) -> None:
    domains = ", ".join(f"h{number}.test" for number in range(10_000))

    assert ids(PLAIN + allowlist(domains=f"[{domains}, h7.test]"), tmp_path) == ["IP101"]
