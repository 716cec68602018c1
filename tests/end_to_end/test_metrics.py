"""`/metrics` of a real process, after real requests, read by Prometheus's own parser."""

from pathlib import Path

import pytest
from tests.conftest import Fresh
from tests.fakes.configurations import allowlist
from tests.fakes.wire_client import Way
from tests.unit.management.test_metrics_page import Samples, labels, samples_of

pytestmark = pytest.mark.end_to_end


def scrape(proxy: object) -> Samples:
    status, page = proxy.get_page("/metrics")  # type: ignore[attr-defined]
    assert status == 200
    return samples_of(page)


def test_what_was_asked_is_counted(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()
    for _ in range(3):
        assert proxy.ask(Way.HTTP).status == 200
    proxy.ask(Way.CONNECT_TLS)
    proxy.ask(Way.HTTP, host="evil.test")
    proxy.settle()
    found = scrape(proxy)

    rules = {dict(each)["rule"] for name, each in found if name == "requests_total" and ("action", "allow") in each}
    allowed = {record.get("rule") for record in proxy.records() if record["action"] == "allow"}
    assert rules == allowed
    by_action: dict[str, float] = {}
    for (name, each), value in found.items():
        if name == "requests_total":
            by_action[dict(each)["action"]] = by_action.get(dict(each)["action"], 0) + value
    assert sum(by_action.values()) == len(proxy.records())
    assert by_action["reject"] == 1
    assert found["refusals_total", labels(by="allowlist")] == 1
    assert found["request_duration_seconds_count", labels()] == len(proxy.records())
    assert found["body_bytes_total", labels(direction="from_upstream")] > 0
    assert found["leaf_certificates_total", labels()] == 1
    assert found["leaf_cache_entries", labels()] == 1
    assert found["upstream_connections_total", labels()] >= 2
    assert found["audit_records_total", labels()] >= len(proxy.records())
    assert found["process_open_fds", labels()] > 0


def test_what_upstreams_and_secrets_do_is_counted(fresh_proxy: Fresh, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("the-real-token")
    entry = {
        "source": {"type": "file", "path": str(path)},
        "replace": {"proxy_value": "proxy-token-0815", "match_headers": ["Authorization"]},
        "rules": [{"host": "ok.test"}],
        "allow_plaintext": True,
    }
    proxy = fresh_proxy(transforms=[allowlist(), {"name": "secrets", "config": {"secrets": [entry]}}])
    for way in (Way.HTTP, Way.HTTP, Way.HTTPS, Way.CONNECT_TLS):
        assert proxy.ask(way, headers="Authorization: Bearer proxy-token-0815\r\n").status == 200
    proxy.settle()
    found = scrape(proxy)

    new, reused = (found["upstream_requests_total", labels(connection=each)] for each in ("new", "reused"))
    assert new + reused == 4
    assert reused >= 1
    assert found["upstream_response_duration_seconds_count", labels()] == 4
    assert found["upstream_connect_duration_seconds_count", labels()] == new
    for side in ("client", "upstream"):
        assert sum(
            value for (name, key), value in found.items()
            if name == "tls_handshakes_total" and {("side", side), ("result", "ok")} <= key
        ) >= 1
    assert found["secret_fetches_total", labels(secret=str(path), result="ok")] == 1
    assert found["secret_age_seconds", labels(secret=str(path))] >= 0


def test_hosts_that_are_asked_for_make_no_series(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()
    proxy.ask(Way.HTTP, host="evil-0.test")
    before = scrape(proxy).keys()
    for number in range(1, 200):
        proxy.ask(Way.HTTP, host=f"evil-{number}.test")

    assert scrape(proxy).keys() == before


def test_the_page_is_for_get_and_head(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()

    assert proxy.get_page("/metrics")[0] == 200
    assert proxy.get_page("/metrics/x")[0] == 404
