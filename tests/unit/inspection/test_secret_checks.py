"""Who could be sent a secret, who never is, and what would show it."""

from pathlib import Path

import pytest
from tests.unit.inspection.policies import PLAIN, SILENT, allowlist, findings_of

ALLOWED = allowlist(domains='["a.test", "*.b.test", "10.1.2.3"]')


def entry(*, hosts: str = "[{host: a.test}]", token: str = "long-enough-1", replace: str = "", more: str = "") -> str:
    source = "source: {type: env, var: KEY}"
    return f"        - {{{source}, replace: {{proxy_value: {token}{replace}}}, rules: {hosts}{more}}}\n"


def secrets(*entries: str) -> str:
    return "  - name: secrets\n    config:\n      secrets:\n" + "".join(entries)


def ids(text: str, folder: Path) -> list[str]:
    return [each.id for each in findings_of(text, folder)]


def test_a_good_secret_has_no_findings(tmp_path: Path) -> None:
    assert findings_of(PLAIN + ALLOWED + secrets(entry(), entry(hosts='[{host: "x.b.test"}]')), tmp_path) == []


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (entry(hosts='[{host: "*"}]'), ["IP201"]),
        (entry(hosts='[{host: "*.test"}]'), ["IP201"]),
        (entry(hosts='[{cidr: "0.0.0.0/0"}]'), ["IP201"]),
        (entry(hosts="[{host: x.test}]"), ["IP202"]),
        (entry(hosts="[{host: x.test}, {host: a.test}]"), []),
        (entry(hosts='[{host: "*.c.b.test"}]'), []),
        (entry(hosts="[{cidr: 10.0.0.0/8}]"), []),
        (entry(hosts="[{cidr: 192.168.0.0/16}]"), ["IP202"]),
        (entry(more=", allow_plaintext: true"), ["IP204"]),
        (entry(token="short"), ["IP205"]),
        (entry(hosts="[]"), ["IP206"]),
        (entry(more=", redact_responses: false"), ["IP207"]),
    ],
)
def test_what_is_doubtful_about_a_secret(own: str, expected: list[str], tmp_path: Path) -> None:
    assert ids(PLAIN + ALLOWED + secrets(own), tmp_path) == expected


def test_a_finding_is_on_the_line_of_its_rule(tmp_path: Path) -> None:
    [finding] = findings_of(PLAIN + ALLOWED + secrets(entry(), entry(hosts="\n  [{host: x.test}]")), tmp_path)

    assert (finding.line, finding.key) == (13, "transforms[1].config.secrets")
    assert finding.message == 'secret "KEY" is for hosts that transforms[0].config does not admit'


def test_an_allowlist_that_only_observes_admits_everything(tmp_path: Path) -> None:
    text = PLAIN + allowlist(domains='["a.test"]', warn="true") + secrets(entry(hosts="[{host: x.test}]"))

    assert "IP202" not in ids(text, tmp_path)


def test_a_secret_for_what_is_not_seen(tmp_path: Path) -> None:
    passed = PLAIN + 'tls: {passthrough: ["a.test"]}\n' + ALLOWED
    bypassed = SILENT.replace("enabled: false", "proxy_ip: 10.0.0.1, passthrough: ['*.b.test']")
    bypassed += "proxy: {http_listen: ':80', https_listen: ':443'}\ntls: {ca_cert: c, ca_key: k}\n" + ALLOWED

    assert ids(passed + secrets(entry(replace=", require: true")), tmp_path) == ["IP203"]
    assert ids(passed + secrets(entry(hosts="[{host: x.b.test}]")), tmp_path) == []
    assert ids(passed + secrets(entry(hosts="[{host: a.test, schemes: [http]}]")), tmp_path) == []
    assert ids(bypassed + secrets(entry(hosts="[{host: x.b.test}]")), tmp_path) == ["IP203"]
    assert ids(PLAIN + "tls: {mode: sni-only}\n" + ALLOWED + secrets(entry()), tmp_path) == ["IP203"]


def test_what_records_stands_before_the_secrets(tmp_path: Path) -> None:
    recording = "  - name: annotate\n    config: {annotations: [{rules: [{host: a.test}], headers: [X-A]}]}\n"

    assert ids(PLAIN + ALLOWED + recording + secrets(entry()), tmp_path) == []
    assert ids(PLAIN + ALLOWED + secrets(entry()) + recording, tmp_path) == ["IP208"]
