"""The lines that harnesses wait for: exact words, the bound addresses, one JSON object each, as Go's slog writes."""

import re
import socket

import pytest
from tests.conftest import Fresh, Running
from tests.fakes.running_proxy import split_address

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)")
# spec 1.3: (words, listener)
STARTING = [
    "http proxy starting", "https proxy starting", "tunnel proxy starting", "dns server starting",
    "metrics server starting",
]  # fmt: skip


@pytest.mark.parametrize("words", STARTING)
def test_a_listener_says_where_it_is_and_is_there(running: Running, words: str) -> None:
    proxy = running()

    line = proxy.wait_for(lambda line: line["msg"] == words)

    host, port = split_address(line["addr"])
    assert (line["level"], host) == ("INFO", "127.0.0.1")
    socket.create_connection((host, port), 5).close()


def test_the_last_lines_sum_up(running: Running) -> None:
    proxy = running()

    summary = proxy.wait_for(lambda line: line["msg"] == "iron-proxy starting")
    pipeline = proxy.wait_for(lambda line: line["msg"] == "transform pipeline")

    assert {key: value for key, value in summary.items() if key not in ("time", "level", "msg")} == dict.fromkeys(
        ("dns_listen", "http_listen", "https_listen", "metrics_listen", "tunnel_listen"), "127.0.0.1:0"
    )
    assert pipeline["transforms"] == "allowlist → secrets"


def test_what_is_off_says_so_or_says_nothing(running: Running) -> None:
    proxy = running(dns={"enabled": False}, proxy__tunnel_listen=None)

    summary = proxy.wait_for(lambda line: line["msg"] == "iron-proxy starting")

    assert summary["dns_listen"] == "disabled"
    assert "tunnel_listen" not in summary
    assert not [line for line in proxy.parsed() if line["msg"] in ("dns server starting", "tunnel proxy starting")]


def test_the_deny_list_and_the_resolver_are_named(running: Running) -> None:
    proxy = running()

    assert proxy.wait_for(lambda line: line["msg"] == "upstream deny list active")["cidrs"] == [
        "127.0.0.0/24", "169.254.0.0/16", "::1/128",
    ]  # fmt: skip
    assert proxy.wait_for(lambda line: line["msg"] == "using upstream resolver")["addr"] == proxy.internet.dns.address


def test_every_line_begins_with_time_level_and_message(running: Running) -> None:
    for line in running().parsed():
        assert list(line)[:3] == ["time", "level", "msg"]
        assert TIME.fullmatch(line["time"])
        assert line["level"] in ("DEBUG", "INFO", "WARN", "ERROR")


def test_every_address_of_the_machine_is_shown_as_go_shows_it(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(proxy__http_listen=":0")

    assert proxy.wait_for(lambda line: line["msg"] == "http proxy starting")["addr"].startswith(("[::]:", "0.0.0.0:"))
