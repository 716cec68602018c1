"""What pages show as the output of a command, or as an answer, is what comes out."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import fenced_blocks, text_of
from tests.docs.shell_lines import calls_of_ours, commands

from iron_proxy.audit.chain import Chain
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import RequestRecord
from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.cli.audit import run as audit
from iron_proxy.cli.check import run as check
from iron_proxy.cli.explain import run as explain
from iron_proxy.messages.authority import parse_target
from iron_proxy.proxy.denials import Denied, explained

pytestmark = pytest.mark.usefixtures("process_log")

EXPLAIN_A_DENIAL = "docs/howto/explain-a-denial.md"
# The domain is on line 12, as on the page.
EXPLAINED = """\
dns: {enabled: false}
proxy: {http_listen: "off", https_listen: "off", tunnel_listen: "127.0.0.1:8080"}
tls:
  ca_cert: "ca.crt"
  ca_key: "ca.key"
clients:
  - {name: ci, cidrs: ["172.20.0.3/32"]}
transforms:
  - name: allowlist
    config:
      domains:
        - "api.openai.com"
      rules:
        - {host: "api.github.com", methods: ["GET"], paths: ["/repos/my-org/*"]}
  - name: secrets
    config:
      source: env
      secrets:
        - var: OPENAI_API_KEY
          proxy_value: "proxy-openai-abc123"
          match_headers: ["Authorization"]
          hosts: [{name: "api.openai.com"}]
"""
# The covered domain is on line 24.
CHECKED = """\
dns: {enabled: false}
proxy: {http_listen: "off", https_listen: "off", tunnel_listen: "127.0.0.1:8080"}
tls: {mode: sni-only}
%s
transforms:
  - name: allowlist
    config:
      domains:
        - "*.example.com"
        - "api.example.com"
""" % ("\n" * 14)


def test_explain_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = text_of(EXPLAIN_A_DENIAL)
    (tmp_path / "proxy.yaml").write_text(EXPLAINED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    calls = [call for body in fenced_blocks(text, "") for words in commands(body) for call in calls_of_ours(words)]

    for call, output in zip(calls, fenced_blocks(text, "text"), strict=True):
        explain(call[1:])
        assert capsys.readouterr().out == output


async def test_the_denial_that_the_page_shows_is_what_is_sent() -> None:
    shown = json.loads(fenced_blocks(text_of(EXPLAIN_A_DENIAL), "json")[0])
    denied = Denied(parse_target(b"example.com", 443), "https", "GET", "/")

    response = explained(403, "host_not_allowed", denied, shown["request_id"])

    assert json.loads(await response.body.read()) == shown


def test_check_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proxy.yaml").write_text(CHECKED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    check(["-config", "proxy.yaml"])

    assert capsys.readouterr().out == fenced_blocks(text_of("docs/reference/checks.md"), "text")[0]


def test_verify_words_its_findings_as_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed, missing, _, verdict = fenced_blocks(text_of("docs/howto/keep-an-audit-trail.md"), "text")[0].splitlines()
    chain = Chain()
    lines = [chain.link(b'{"msg": "request", "n": %d}\n' % number) for number in range(6)]
    lines[1] = lines[1].replace(b'"n": 1', b'"n": 7')
    del lines[3]
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))

    audit(["verify", str(tmp_path / "audit.jsonl")])

    printed = [re.sub(r"\d+", "N", line.partition(": ")[2] or line) for line in capsys.readouterr().out.splitlines()]
    assert {re.sub(r"\d+", "N", line.partition(": ")[2] or line) for line in (changed, missing, verdict)} <= {*printed}


def test_the_record_of_the_readme_has_the_keys_that_are_written() -> None:
    shown = json.loads(fenced_blocks(text_of("README.md"), "json")[0])

    written = list(json.loads(seed_envelope(RequestRecord(**shown))))


    assert set(shown) <= set(written)


def test_the_metrics_that_alarms_ask_for_exist() -> None:
    page = text_of("docs/reference/metrics.md")
    there = set(re.findall(r"^\| `(iron_proxy_\w+)` \|", page, re.MULTILINE))

    (alarms,) = fenced_blocks(page, "promql")

    assert set(re.findall(r"iron_proxy_\w+", alarms)) <= there


def test_the_ca_that_openssl_makes_is_one(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    (block,) = (block for block in fenced_blocks(text_of("docs/howto/issue-a-ca.md"), "") if "openssl" in block)
    (tmp_path / "certs").mkdir()

    # A shorter key is made in a tenth of the time.
    subprocess.run(["sh", "-ec", block.replace("4096", "2048")], cwd=tmp_path, check=True, capture_output=True)

    CertificateAuthority.load(str(tmp_path / "certs/ca.crt"), str(tmp_path / "certs/ca.key"))
