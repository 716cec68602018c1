"""A configuration is taken apart with the places of its parts."""

from pathlib import Path

from tests.unit.inspection.policies import PLAIN, allowlist, read

from iron_proxy.inspection.policy import Policy

TEXT = PLAIN + 'tls: {passthrough: ["p.test"]}\n' + allowlist("{host: a.test}", domains="[b.test]") + """\
  - name: secrets
    config:
      source: env
      secrets:
        - {var: A, proxy_value: long-enough-1, hosts: [{name: a.test}]}
"""


def test_allowlists_secrets_and_what_passes_unseen(tmp_path: Path) -> None:
    config, _, pipeline = read(TEXT, tmp_path)

    policy = Policy.of(config, pipeline)

    [placed] = policy.allowlists
    assert (placed.key, placed.is_enforced) == ("transforms[0].config", True)
    assert [(rule.place, rule.line) for rule in placed.index.rules] == [("domains[0]", 8), ("rules[0]", 10)]
    [secret] = policy.secrets
    assert (secret.entry.name, secret.key, secret.line) == ("A", "transforms[1].config.secrets", 15)
    assert [rule.place for rule in policy.passthrough] == ["tls.passthrough[0]"]
    assert policy.bypassed == []


def test_what_dns_does_not_bring_here(tmp_path: Path) -> None:
    text = TEXT.replace("dns: {enabled: false}", "dns: {proxy_ip: 10.0.0.1, passthrough: ['*.corp.test']}")
    config, _, pipeline = read(text, tmp_path)

    assert [rule.describe() for rule in Policy.of(config, pipeline).bypassed] == ["*.corp.test"]
