"""Tripwires and honeytokens over every way in: what is seen where it does not belong is noted, or refused."""

import base64

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.running_proxy import PROXY_TOKEN, RunningProxy
from tests.fakes.wire_client import ALL_WAYS, TLS_WAYS, Way, way_id

HONEY = "AKIA-PLANTED-0001"
TOKEN_HEADER = f"X-Api-Key: {PROXY_TOKEN}\r\n"
every_way = pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)


def guarded(running: Running, *, allowlist_first: bool = True, **keys: object) -> RunningProxy:
    secrets = secrets_of(replacement("SEC_REP") | keys)
    secrets["config"]["honeytokens"] = [{"name": "backup key", "value": HONEY}]
    return running(transforms=[allowlist(), secrets] if allowlist_first else [secrets, allowlist()])


def traces(proxy: RunningProxy) -> list[tuple[str, str, dict[str, object]]]:
    return [
        (trace["name"], trace["action"], trace.get("annotations", {}))
        for trace in proxy.last_record()["request_transforms"]
    ]


def misuse(*locations: str) -> dict[str, object]:
    return {"token_misuse": [{"secret": "SEC_REP", "locations": [*locations]}]}


@every_way
def test_a_token_at_another_allowed_host_is_noted_and_stays_a_token(running: Running, way: Way) -> None:
    proxy = guarded(running)
    basic = base64.b64encode(f"u:{PROXY_TOKEN}".encode()).decode()
    headers = f"{TOKEN_HEADER}Authorization: Basic {basic}\r\n"

    answer = proxy.ask(way, f"/{PROXY_TOKEN}?k={PROXY_TOKEN}", headers=headers, body=PROXY_TOKEN.encode())

    assert answer.status == 200
    assert proxy.arrived()[-1].get_all(b"x-api-key") == [PROXY_TOKEN.encode()]
    where = ("header:X-Api-Key", "header:Authorization", "path", "query:k", "body")
    assert traces(proxy)[-1] == ("secrets", "continue", misuse(*where))


@every_way
def test_a_misuse_may_be_refused(running: Running, way: Way) -> None:
    proxy = guarded(running, on_misuse="reject")

    answer = proxy.ask(way, headers=TOKEN_HEADER)

    assert (answer.status, proxy.arrived()) == (403, [])
    notes = {**misuse("header:X-Api-Key"), "rejected": "SEC_REP", "reject_reason": "token_misuse"}
    assert traces(proxy)[-1] == ("secrets", "reject", notes)
    assert proxy.last_record()["rejected_by"] == "secrets"


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
@pytest.mark.parametrize("allowlist_first", [True, False], ids=["allowlist first", "secrets first"])
def test_an_attempt_at_a_denied_host_is_noted_whatever_the_order(
    running: Running, way: Way, allowlist_first: bool
) -> None:
    proxy = guarded(running, allowlist_first=allowlist_first)

    # The name in TLS is an allowed one, so that the request gets as far as the rules on paths.
    answer = proxy.ask(way, "/secret", host="rules.test", headers=TOKEN_HEADER)

    assert (answer.status, proxy.arrived()) == (403, [])
    seen = ("secrets", "observe" if allowlist_first else "continue", misuse("header:X-Api-Key"))
    assert seen in traces(proxy)
    assert proxy.last_record()["rejected_by"] == "allowlist"


@every_way
@pytest.mark.parametrize("host", ["ok.test", "swap.test"])
def test_a_honeytoken_is_refused_logged_and_not_shown(running: Running, way: Way, host: str) -> None:
    proxy = guarded(running)
    proxy.secrets = [HONEY]

    answer = proxy.ask(way, host=host, headers=f"Cookie: session={HONEY}\r\n")

    assert (answer.status, proxy.arrived()) == (403, [])
    notes = {"honeytoken": [{"name": "backup key", "locations": ["header:Cookie"]}], "reject_reason": "honeytoken"}
    assert traces(proxy)[-1] == ("secrets", "reject", notes)
    line = proxy.wait_for(lambda line: line["msg"] == "honeytoken used" and line["host"].startswith(host))
    assert (line["level"], line["name"]) == ("ERROR", "backup key")


def test_a_honeytoken_in_a_refused_request_is_logged_too(running: Running) -> None:
    proxy = guarded(running)

    proxy.ask(Way.HTTPS, "/secret", host="rules.test", headers=f"X: {HONEY}\r\n")

    assert proxy.last_record()["rejected_by"] == "allowlist"
    assert traces(proxy)[-1][:2] == ("secrets", "observe")
    proxy.wait_for(lambda line: line["msg"] == "honeytoken used" and line["host"].startswith("rules.test"))


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_where_the_token_belongs_nothing_is_noted(running: Running, way: Way) -> None:
    proxy = guarded(running, on_misuse="reject")

    answer = proxy.ask(way, host="swap.test", headers=f"{TOKEN_HEADER}X-Other: {PROXY_TOKEN}\r\n")

    assert answer.status == 200
    assert "token_misuse" not in traces(proxy)[-1][2]
