"""The browser, started once, and for each test a management API of its own with a page that is signed in."""

from collections.abc import Iterator

import pytest
from tests.dashboard.page_reading import sign_in
from tests.fakes.chromium import Chromium, Page, is_installed
from tests.fakes.watched_proxy import WatchedProxy

from iron_proxy.config.loading import load_config

CONFIGURATION = """
dns: {enabled: false}
proxy: {http_listen: "127.0.0.1:8080"}
tls: {mode: sni-only}
transforms:
  - name: allowlist
    config:
      domains: ["registry.npmjs.org", "*.pypi.org"]
      rules:
        - {host: api.openai.com, methods: [POST], paths: ["/v1/*"]}
  - name: secrets
    config:
      secrets:
        - {source: {type: env, var: OPENAI_API_KEY}, proxy_value: proxy-openai-4711, rules: [{host: api.openai.com}]}
"""
STATUS = {
    "version": "1.0", "uptime_seconds": 4000, "config": "proxy.yaml", "generation": 3,
    "transforms": ["allowlist", "secrets"],
    "secrets": [
        {"name": "OPENAI_API_KEY", "source": "file /run/secrets/openai", "age_seconds": 3700},
        {"name": "NEVER_USED", "source": "env NEVER_USED", "age_seconds": None},
    ],
    "listeners": {"http": "127.0.0.1:8080"}, "tls_mode": "mitm", "connections": 4, "last_reload": None,
    "audit": {"emitted": 10, "lost": 0, "is_strict": False},
}  # fmt: skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if not is_installed():
        pytest.skip("chromium is not installed")
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[WatchedProxy]:
    config, _ = load_config("proxy.yaml", {}, lambda path: CONFIGURATION.encode())
    with WatchedProxy(config, STATUS) as running:
        yield running


@pytest.fixture
def page(browser: Chromium, proxy: WatchedProxy) -> Iterator[Page]:
    """Signed in and following the stream. Nothing may have gone wrong when the test is over."""
    opened = browser.open(proxy.address)
    sign_in(opened)
    opened.wait_for("document.getElementById('state').dataset.state === 'live'")
    yield opened
    opened.close()
    assert opened.problems == []
