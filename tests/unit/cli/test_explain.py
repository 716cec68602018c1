"""`explain` answers a question about a request, and its status is the answer."""

import io
import json
import sys
from pathlib import Path

import pytest

from iron_proxy.cli import explain

# The command starts the log of the process: it is put back behind each test.
pytestmark = pytest.mark.usefixtures("process_log")

CANARY = "sk-canary-0123456789"
CONFIGURATION = """\
dns: {enabled: false}
proxy: {https_listen: "off", upstream_deny_cidrs: ["192.0.2.0/24"]}
clients: [{name: ci, cidrs: ["10.0.0.0/8"]}]
transforms:
  - name: allowlist
    config:
      domains: ["a.test", "192.0.2.1", "localhost"]
      rules: [{host: b.test, clients: [ci]}]
  - name: secrets
    config:
      source: env
      secrets: [{var: KEY, proxy_value: proxy-token-1, match_body: true, hosts: [{name: a.test}]}]
"""


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KEY", CANARY)
    (tmp_path / "proxy.yaml").write_text(CONFIGURATION)
    return str(tmp_path / "proxy.yaml")


def run(configuration: str, *arguments: str) -> int:
    return explain.run([*arguments, "-config", configuration])


def test_an_allowed_request_is_0(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(configuration, "GET", "https://a.test/x", "-H", "X-Key: proxy-token-1", "-H", "X-A:  1 ") == 0

    out, err = capsys.readouterr()
    assert f"  rule        a.test   ({configuration}:7, domains[0])\n" in out
    assert "              X-Key: [secret:KEY]\n              X-A: 1\n" in out
    assert CANARY not in out
    assert err == ""


def test_a_denied_one_is_1(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(configuration, "GET", "https://x.test/") == 1
    assert capsys.readouterr().out.startswith("DENIED  GET https://x.test/\n")


def test_rules_for_a_client_count_for_the_client(configuration: str) -> None:
    assert run(configuration, "GET", "https://b.test/") == 1
    assert run(configuration, "-client", "ci", "GET", "https://b.test/") == 0


def test_an_address_is_judged_and_a_name_with_resolve(
    configuration: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configuration, "GET", "http://192.0.2.1/") == 1
    assert "192.0.2.1, denied: in 192.0.2.0/24" in capsys.readouterr().out
    assert run(configuration, "GET", "http://localhost/", "-resolve") == 0
    assert "  address     127.0.0.1\n" in capsys.readouterr().out


def test_a_body_is_text_a_file_or_standard_input(
    configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "body").write_bytes(b"file proxy-token-1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"stdin proxy-token-1")))

    for data in ("text proxy-token-1", f"@{tmp_path}/body", "@-"):
        assert run(configuration, "POST", "https://a.test/", "-data", data) == 0

    out = capsys.readouterr().out
    assert [word in out for word in ("text [secret:KEY]", "file [secret:KEY]", "stdin [secret:KEY]")] == [True] * 3


def test_json_is_one_object(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(configuration, "GET", "https://a.test/x", "-json") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["rule"]["place"], told["rule"]["line"]) == ("allowed", "domains[0]", 7)
    assert told["sent"]["start_line"] == "GET /x HTTP/1.1"


def test_hosts_whose_tls_passes_through_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proxy.yaml").write_text(CONFIGURATION + "tls: {passthrough: [a.test]}\n")

    assert run(str(tmp_path / "proxy.yaml"), "GET", "https://a.test/") == 0
    assert "passed through" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["GET", "a.test"], "is not a URL"),
        (["GET", "https://a.test/", "-client", "cii"], 'no client "cii" (did you mean "ci"?)'),
        (["GET", "https://a.test/", "-H", "nothing"], '-H "nothing" is not a header field'),
        (["GET", "https://a.test/", "-data", "@/nonexistent/body"], "No such file"),
        (["GET", "https://a.test/", "-data", "@/dev/zero"], "a body is at most"),
    ],
)
def test_a_question_that_makes_no_sense_is_2(
    arguments: list[str], sentence: str, configuration: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configuration, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


def test_a_configuration_that_cannot_be_used_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proxy.yaml").write_text("odd: 1\n")

    assert run(str(tmp_path / "proxy.yaml"), "GET", "https://a.test/") == 2
    assert "unknown key" in capsys.readouterr().err


def test_words_that_are_missing_are_2(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(configuration, "GET") == 2
    assert "takes METHOD and URL" in capsys.readouterr().err
