"""From nothing to a denial that says what to do: the commands one after the other, as a person types them."""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Running
from tests.end_to_end.test_curl import curl, owed, route, url
from tests.fakes.configurations import allowlist
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy
from tests.fakes.wire_client import Way

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

KEY = "sk-canary-first-0123456789"
# Free ports in place of those that a person would want.
SERVING = {"IRON_PROXY_TUNNEL_LISTEN": "127.0.0.1:0", "IRON_METRICS_LISTEN": "127.0.0.1:0", "OPENAI_API_KEY": KEY}


def run(folder: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "iron_proxy", *arguments], cwd=folder, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY}, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout


def test_a_first_configuration_is_written_checked_explained_and_served(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    run(tmp_path, "init", "-preset", "codex", "-preset", "npm", "-allow", "ok.test")
    run(tmp_path, "check", "-config", "iron-proxy.yaml", status=2)             # there is no CA yet
    run(tmp_path, "generate-ca", "-alg", "p256")
    assert run(tmp_path, "check", "-config", "iron-proxy.yaml", "-strict") == ""

    text = (tmp_path / "iron-proxy.yaml").read_text()
    token = json.loads(text.partition("proxy_value: ")[2].splitlines()[0])
    explained = run(
        tmp_path, "explain", "POST", "https://api.openai.com/v1/responses", "-config", "iron-proxy.yaml",
        "-H", f"Authorization: Bearer {token}",
    )  # fmt: skip
    assert "Authorization: Bearer [secret:OPENAI_API_KEY]" in explained
    run(tmp_path, "explain", "PUT", "https://registry.npmjs.org/x", "-config", "iron-proxy.yaml", status=1)

    for name, path in (("ca.crt", proxy_ca.certificate), ("ca.key", proxy_ca.key)):
        text = text.replace(f'"{name}"', json.dumps(str(path)))
    proxy = RunningProxy(text, tmp_path, internet, proxy_ca, SERVING).start()
    try:
        proxy.started += 1
        denied = curl(proxy, "-i", *route(proxy, Way.CONNECT_TLS), "https://x.test/")
        assert b"HTTP/1.1 403" in denied.stdout
        # curl throws the body of a refused CONNECT away.
        assert b'Proxy-Status: iron-proxy; error=http_request_denied; details="host_not_allowed"' in denied.stdout
        proxy.ask_to_stop()
        proxy.stop()
    finally:
        proxy.kill()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_who_asks_is_told_over_either_version(proxy: RunningProxy, version: str) -> None:
    owed(proxy, Way.HTTPS)
    asking = ["-H", "Accept: application/problem+json", version, "-i"]

    done = curl(proxy, *asking, *route(proxy, Way.HTTPS), url(proxy, Way.HTTPS, "/v2?q=1", "rules.test"))

    head, _, body = done.stdout.replace(b"\r\n", b"\n").partition(b"\n\n")
    assert b" 403" in head.split(b"\n")[0]
    assert b"\ncontent-type: application/problem+json" in head.lower()
    told = json.loads(body)
    assert (told["code"], told["host"]) == ("method_or_path_not_allowed", proxy.authority(Way.HTTPS, "rules.test"))
    assert '"host": "rules.test", "methods": ["GET"], "paths": ["/v2"]' in told["rule"]


def test_who_asks_is_told_for_a_tunnel(proxy: RunningProxy) -> None:
    owed(proxy, Way.CONNECT_TLS, 0)
    connection = http.client.HTTPConnection(*proxy.addresses["tunnel"], timeout=10)

    connection.request("CONNECT", "x.test:443", headers={"Accept": "application/problem+json", "Host": "x.test:443"})
    response = connection.getresponse()

    assert (response.status, json.loads(response.read())["rule"]) == (403, '- {"host": "x.test"}')
    connection.close()


def test_the_rule_of_a_denial_lets_the_request_pass(running: Running) -> None:
    silent = running(proxy__denial_body="explain")
    owed(silent, Way.HTTPS)
    denied = curl(silent, *route(silent, Way.HTTPS), url(silent, Way.HTTPS, "/new/path?q=1", "rules.test"))
    rule = json.loads(json.loads(denied.stdout)["rule"].removeprefix("- "))

    wider = running(transforms=[allowlist(rules=[rule])])
    owed(wider, Way.HTTPS)
    passed = curl(wider, *route(wider, Way.HTTPS), url(wider, Way.HTTPS, "/new/path?q=1", "rules.test"))

    assert (passed.returncode, passed.stdout) == (0, b"ok\n")
