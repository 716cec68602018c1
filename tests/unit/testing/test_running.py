"""The real proxy in a `with` block."""

import http.client
from pathlib import Path

import pytest

from iron_proxy.errors import ConfigError, StartupError
from iron_proxy.testing import Proxy, running, running_async

ALLOWS = {"transforms": [{"name": "allowlist", "config": {"domains": ["a.test"]}}]}

pytestmark = pytest.mark.slow


def open_tunnel(proxy_address: str, host: str) -> int:
    connection = http.client.HTTPConnection(proxy_address, timeout=30)
    try:
        connection.request("CONNECT", f"{host}:443", headers={"Host": f"{host}:443"})
        with connection.getresponse() as answer:
            return answer.status
    finally:
        connection.close()


@pytest.mark.slow
def test_it_runs_with_what_a_test_needs_and_tells_what_it_did() -> None:
    with running(ALLOWS) as proxy:
        statuses = [open_tunnel(proxy.address("tunnel"), host) for host in ("a.test", "b.test")]
        record = proxy.wait_for_record(host="b.test:443", action="reject")
        environment, ca_file = proxy.environment(), proxy.ca_file
        assert ca_file is not None
        assert ca_file.read_bytes().strip() in Path(environment["SSL_CERT_FILE"]).read_bytes()

    assert statuses == [200, 403]
    assert record in proxy.records()
    assert environment["HTTPS_PROXY"] == proxy.url == f"http://{proxy.address('tunnel')}"
    assert not ca_file.exists()


@pytest.mark.slow
def test_a_reload_is_in_force_when_replace_returns() -> None:
    with running(ALLOWS) as proxy:
        address = proxy.address("tunnel")
        for host in ("b.test", "a.test"):
            proxy.replace(transforms=[{"name": "allowlist", "config": {"domains": [host]}}])
            assert open_tunnel(address, host) == 200
        assert open_tunnel(address, "b.test") == 403
        with pytest.raises(ValueError, match="the proxy refused the configuration"):
            proxy.replace(transforms=[{"name": "no such transform"}])


@pytest.mark.slow
async def test_the_async_twin() -> None:
    async with running_async(ALLOWS) as proxy:
        assert open_tunnel(proxy.address("tunnel"), "b.test") == 403
        record = await proxy.wait_for_record(host="b.test:443")

    assert record["action"] == "reject"


@pytest.mark.slow
def test_a_record_that_does_not_come_is_told_with_those_that_did() -> None:
    with running(ALLOWS) as proxy:
        open_tunnel(proxy.address("tunnel"), "b.test")
        proxy.wait_for_record(host="b.test:443")
        with pytest.raises(TimeoutError, match=r"host='c.test'; there are:\n  CONNECT b.test:443 reject"):
            proxy.wait_for_record(host="c.test", timeout=0.0)
        with pytest.raises(LookupError, match="no listener dns; running: tunnel"):
            proxy.address("dns")


@pytest.mark.slow
def test_a_start_that_fails_shows_no_secret() -> None:
    with pytest.raises(StartupError) as caught, running({"sekret-value": {}}, {"KEY": "sekret-value"}):
        pytest.fail("it has started")

    assert "unknown key" in str(caught.value)
    assert "sekret-value" not in str(caught.value)


@pytest.mark.slow
def test_a_file_is_read_and_its_mistakes_have_lines(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("transforms:\n  - name: allowlist\n    config: {domains: [a.test]}\n")
    with running(file) as proxy:
        assert isinstance(proxy, Proxy)
        assert open_tunnel(proxy.address("tunnel"), "a.test") == 200
    file.write_text("transforms:\n  - {\n")

    with pytest.raises(ConfigError, match=r"proxy\.yaml:\d+: "), running(file):
        pytest.fail("it has started")
