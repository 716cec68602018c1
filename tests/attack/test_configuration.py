"""CFG: a typo never opens a policy, YAML runs no code, and numbers mean what Go's mean."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config, replacement, secrets_of
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, run_to_end
from tests.fakes.wire_client import Way


def with_typo(place: str, key: str) -> dict[str, Any]:
    """Changes to BASE.yaml that put one unknown key somewhere."""
    entry = replacement("SEC_REP")
    rule = {"host": "ok.test"}
    match place:
        case "top":
            return {key: []}
        case "proxy" | "dns" | "tls" | "log" | "metrics":
            return {f"{place}__{key}": "x"}
        case "transform":
            return {"transforms": [{"name": "allowlist", key: {}}]}
        case "allowlist":
            return {"transforms": [allowlist(**{key: ["ok.test"]})]}
        case "rule":
            return {"transforms": [allowlist(rules=[{**rule, key: ["GET"]}])]}
        case "secret":
            return {"transforms": [secrets_of({**entry, key: True})]}
        case "replace":
            return {"transforms": [secrets_of({**entry, "replace": {**entry["replace"], key: True}})]}
        case _:
            return {"transforms": [secrets_of({**entry, "source": {**entry["source"], key: "x"}})]}


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("top", "transform"), ("top", "alowlist"), ("proxy", "http_listne"), ("dns", "proxy_ips"), ("tls", "ca_crt"),
        ("log", "levle"), ("metrics", "listne"), ("transform", "confg"), ("allowlist", "domain"), ("rule", "method"),
        ("rule", "path"), ("rule", "hosts"), ("secret", "requires"), ("replace", "match_headrs"), ("source", "vra"),
    ],
)  # fmt: skip
def test_cfg_01_02_an_unknown_key_stops_the_start_and_is_named(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, place: str, key: str
) -> None:
    ended = run_to_end(base_config(internet, proxy_ca, **with_typo(place, key)), tmp_path, internet)

    assert ended.returncode == 2
    complaint = next(line for line in ended.stderr.splitlines() if key in line)
    assert "proxy.yaml:" in complaint
    assert not ended.stdout


@pytest.mark.parametrize("tag", ['!!python/object/apply:os.system ["touch {}"]', "!!binary aGk=", "!custom x"])
def test_cfg_05_a_tag_runs_nothing(tmp_path: Path, internet: Internet, tag: str) -> None:
    canary = tmp_path / "canary"

    ended = run_to_end(f"log:\n  level: {tag.format(canary)}\n", tmp_path, internet)

    assert ended.returncode == 2
    assert not canary.exists()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        ("", "empty"),
        ("{{{", "proxy.yaml:1"),
        ("log: {level: info}\nlog: {level: warn}\n", "log"),
        ("- a\n- b\n", "proxy.yaml"),
        ("log: {level: trace}\n", "level"),
        ("a: &a [*a, *a]\n", "proxy.yaml"),
    ],
    ids=["empty", "not YAML", "a key twice", "a list", "an unknown level", "an alias of itself"],
)
def test_a_file_that_cannot_be_read_stops_the_start(
    tmp_path: Path, internet: Internet, yaml: str, complaint: str
) -> None:
    ended = run_to_end(yaml, tmp_path, internet)

    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("value", ["-1s", "10", "1d", "soon"])
def test_cfg_07_a_bad_duration_stops_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, value: str
) -> None:
    config = base_config(internet, proxy_ca, proxy__upstream_response_header_timeout=value)

    ended = run_to_end(config, tmp_path, internet)

    assert ended.returncode == 2
    assert "upstream_response_header_timeout" in ended.stderr


@pytest.mark.parametrize("value", ["30s", "1h30m", "1.5s", "500ms", "0", ""])
def test_cfg_07_a_duration_of_go_is_understood(running: Running, value: str) -> None:
    assert running(proxy__upstream_response_header_timeout=value).ask(Way.HTTP).status == 200


@pytest.mark.parametrize("port", ["127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1", "127.0.0.1:http!", "999.0.0.1:80"])
def test_cfg_07_a_bad_address_stops_the_start(tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, port: str) -> None:
    ended = run_to_end(base_config(internet, proxy_ca, proxy__http_listen=port), tmp_path, internet)

    assert ended.returncode == 2
    assert "http_listen" in ended.stderr
