"""SEC: proxy tokens and real secrets, over every encrypted way; what may go in clear; what cannot be swapped."""

import base64
from pathlib import Path

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config, replacement, secrets_of
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, ProxyCA, RunningProxy, run_to_end
from tests.fakes.wire_client import ALL_WAYS, PLAIN_WAYS, TLS_WAYS, Way, way_id

REAL = SECRETS["SEC_REP"]
TOKEN_HEADER = f"X-Api-Key: {PROXY_TOKEN}\r\n"
encrypted = pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)


def annotations(proxy: RunningProxy) -> dict[str, object]:
    """What the secrets transform noted on the last request."""
    return dict(proxy.last_record()["request_transforms"][-1].get("annotations", {}))


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_01_an_injected_secret_takes_the_clients_own_fields_place(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, host="inject.test", headers="Authorization: Bearer mine\r\n")

    assert proxy.arrived()[-1].get_all(b"authorization") == [f"Bearer {SECRETS['SEC_INJ']}".encode()]
    assert annotations(proxy) == {"injected": [{"secret": "SEC_INJ", "locations": ["header:Authorization"]}]}


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_01_an_injected_query_parameter_goes_upstream_and_nowhere_else(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, "/x?a=1&key=mine", host="injectq.test")

    assert proxy.arrived()[-1].path == f"/x?a=1&key={SECRETS['SEC_Q']}"
    assert annotations(proxy) == {"injected": [{"secret": "SEC_Q", "locations": ["query:key"]}]}
    assert proxy.last_record()["path"] == "/x"


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_02_only_the_token_is_replaced(proxy: RunningProxy, way: Way) -> None:
    headers = f"X-Api-Key: a {PROXY_TOKEN} b\r\nAuthorization: token {PROXY_TOKEN}\r\n"

    proxy.ask(way, host="swap.test", headers=headers)

    seen = proxy.arrived()[-1]
    assert seen.get_all(b"x-api-key") == [f"a {REAL} b".encode()]
    assert seen.get_all(b"authorization") == [f"token {REAL}".encode()]
    assert annotations(proxy) == {
        "swapped": [{"secret": "SEC_REP", "locations": ["header:X-Api-Key", "header:Authorization"]}]
    }


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_02_the_token_is_replaced_inside_basic_credentials(proxy: RunningProxy, way: Way) -> None:
    credentials = base64.b64encode(f"user:{PROXY_TOKEN}".encode()).decode()

    proxy.ask(way, host="swap.test", headers=f"Authorization: Basic {credentials}\r\n")

    value = proxy.arrived()[-1].get_all(b"authorization")[0]
    assert base64.b64decode(value.removeprefix(b"Basic ")) == f"user:{REAL}".encode()


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_sec_03_at_another_host_the_token_stays_a_token(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, f"/{PROXY_TOKEN}?k={PROXY_TOKEN}", headers=TOKEN_HEADER, body=PROXY_TOKEN.encode())

    seen = proxy.arrived()[-1]
    assert (seen.head + seen.body).count(PROXY_TOKEN.encode()) == 4


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize(
    "headers",
    [
        "",
        f"X-Other: {PROXY_TOKEN}\r\n",
        f"{PROXY_TOKEN}: x\r\n",
        f"Cookie: k={PROXY_TOKEN}\r\n",
        f"X-Api-Key: {REAL}\r\n",
    ],
    ids=["no token", "another header", "a header name", "a cookie", "the real secret instead"],
)
def test_sec_04_without_the_token_in_its_place_the_request_is_refused(
    proxy: RunningProxy, way: Way, headers: str
) -> None:
    answer = proxy.ask(way, host="swap.test", headers=headers)

    assert answer.status == 403
    assert annotations(proxy) == {"rejected": "SEC_REP"}
    assert proxy.last_record()["rejected_by"] == "secrets"


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("value", ["REALLY-SECRET\r\nX-Evil: 1", "REALLY-SECRET\n", "REALLY-SECRET\x01"])
def test_sec_06_a_secret_that_would_break_the_message_is_not_sent(running: Running, way: Way, value: str) -> None:
    proxy = running(env={"SEC_INJ": value})
    proxy.secrets = ["REALLY-SECRET"]

    answer = proxy.ask(way, host="inject.test")

    assert (answer.status, proxy.arrived()) == (502, [])
    record = proxy.last_record()
    assert record["action"] == "error"
    assert "SEC_INJ" in record["error"]


def test_sec_06_a_file_that_ends_in_a_newline_says_so(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("REALLY-SECRET\n")
    entry = {
        "source": {"type": "file", "path": str(file)},
        "inject": {"header": "X-Key"},
        "rules": [{"host": "inject.test"}],
    }
    proxy = running(transforms=[allowlist(), secrets_of(entry)])
    proxy.secrets = ["REALLY-SECRET"]

    answer = proxy.ask(Way.HTTPS, host="inject.test")

    assert answer.status == 502
    assert str(file) in proxy.last_record()["error"]


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_08_the_rest_of_the_query_keeps_its_order_and_bytes(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, f"/x?b=2&a=%20&key={PROXY_TOKEN}&c&b=1&d=%zz", host="swap.test")

    assert proxy.arrived()[-1].path == f"/x?b=2&a=%20&key={REAL}&c&b=1&d=%zz"


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_10_a_secret_in_the_path_stays_within_its_segment(running: Running, way: Way) -> None:
    proxy = running(env={"SEC_REP": "REALa/b?c#d%e .."})
    proxy.secrets = ["REALa/b?c#d%e .."]

    proxy.ask(way, f"/bot{PROXY_TOKEN}/send", host="swap.test")

    assert proxy.arrived()[-1].path == "/botREALa%2Fb%3Fc%23d%25e%20../send"
    assert proxy.last_record()["path"] == f"/bot{PROXY_TOKEN}/send"


@pytest.mark.every_split(http2=True)
@encrypted
def test_trace_is_refused_where_a_secret_would_be_sent_back(proxy: RunningProxy, way: Way) -> None:
    assert proxy.ask(way, host="inject.test", method="TRACE").status == 405
    assert proxy.arrived() == []


@pytest.mark.every_split
@pytest.mark.parametrize("way", PLAIN_WAYS, ids=way_id)
@pytest.mark.parametrize("host", ["inject.test", "injectq.test", "swap.test"])
def test_sec_27_a_secret_is_not_sent_in_clear(proxy: RunningProxy, way: Way, host: str) -> None:
    answer = proxy.ask(way, host=host, headers=TOKEN_HEADER)

    assert (answer.status, proxy.arrived()) == (403, [])
    assert annotations(proxy)["reject_reason"] == "plaintext"


@pytest.mark.every_split
@pytest.mark.parametrize("way", PLAIN_WAYS, ids=way_id)
def test_sec_27_the_operator_may_allow_it(running: Running, way: Way) -> None:
    entry = {**replacement("SEC_REP"), "allow_plaintext": True}
    proxy = running(transforms=[allowlist(), secrets_of(entry)])

    answer = proxy.ask(way, host="swap.test", headers=TOKEN_HEADER)

    assert answer.status == 200
    assert proxy.arrived()[-1].get_all(b"x-api-key") == [REAL.encode()]


@pytest.mark.every_split
@pytest.mark.parametrize("way", PLAIN_WAYS, ids=way_id)
def test_sec_27_a_private_address_may_have_it_in_clear(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(), secrets_of(replacement("SEC_REP", host="127.0.1.9"))])

    proxy.ask(way, host="127.0.1.9", headers=TOKEN_HEADER)

    assert proxy.arrived()[-1].get_all(b"x-api-key") == [REAL.encode()]


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("require", [True, False], ids=["required", "not required"])
@pytest.mark.parametrize(
    "source",
    [{"type": "env", "var": "SEC_UNSET"}, {"type": "file", "path": "/nonexistent/secret"}],
    ids=["env", "file"],
)
def test_sec_29_a_secret_that_cannot_be_had(running: Running, way: Way, require: bool, source: dict[str, str]) -> None:
    entry = {**replacement("SEC_REP", require=require), "source": source}
    proxy = running(transforms=[allowlist(), secrets_of(entry)])

    answer = proxy.ask(way, host="swap.test", headers=TOKEN_HEADER)

    if require:
        assert answer.status == 403
        assert annotations(proxy)["reject_reason"] == "secret_unavailable"
    else:
        assert answer.status == 200
        assert proxy.arrived()[-1].get_all(b"x-api-key") == [PROXY_TOKEN.encode()]
        assert annotations(proxy) == {"secret_unavailable": [source.get("var") or source["path"]]}


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_30_the_longest_token_wins_and_a_value_is_not_searched_again(running: Running, way: Way) -> None:
    entries = (replacement("SEC_A", "tok-1", headers=()), replacement("SEC_B", "tok-12", headers=()))
    proxy = running(
        transforms=[allowlist(), secrets_of(*entries)], env={"SEC_A": "REAL-A-tok-12-", "SEC_B": "REAL-B-tok-1-"}
    )
    proxy.secrets = ["REAL-A-tok-12-", "REAL-B-tok-1-"]

    proxy.ask(way, host="swap.test", headers="X-Api-Key: tok-12\r\nX-Other: tok-1\r\n")

    seen = proxy.arrived()[-1]
    assert (seen.get_all(b"x-api-key"), seen.get_all(b"x-other")) == ([b"REAL-B-tok-1-"], [b"REAL-A-tok-12-"])


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("host", ["injectq.test:abc", "injectq.test:99999", "injectq.test%"])
def test_sec_31_an_error_holds_no_injected_query(proxy: RunningProxy, way: Way, host: str) -> None:
    answer = proxy.ask(way, "/x", host="injectq.test", host_field=host)

    assert answer.status == 400
    # O1, after the test, looks for the secret in the records.


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_31_an_upstream_that_cannot_be_reached_tells_no_secret(running: Running, way: Way) -> None:
    entry = {
        "source": {"type": "env", "var": "SEC_Q"},
        "inject": {"query_param": "key"},
        "rules": [{"host": "nx.test"}],
    }
    proxy = running(transforms=[allowlist(), secrets_of(entry)])

    answer = proxy.ask(way, host="nx.test")

    assert answer.status == 502
    assert proxy.last_record()["error"] == "lookup nx.test: no such host"


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize(
    ("formatter", "value"),
    [
        ('{{ base64 "x:" .Value }}', base64.b64encode(b"x:" + SECRETS["SEC_INJ"].encode())),
        ("{{.Value}}", SECRETS["SEC_INJ"].encode()),
        ("a {{- .Value -}} b", b"a" + SECRETS["SEC_INJ"].encode() + b"b"),
        ("%s {0.__globals__}", b"%s {0.__globals__}"),
    ],
)
def test_sec_35_a_formatter_is_a_template_of_three_forms(
    running: Running, way: Way, formatter: str, value: bytes
) -> None:
    entry = {
        "source": {"type": "env", "var": "SEC_INJ"},
        "inject": {"header": "X-Key", "formatter": formatter},
        "rules": [{"host": "inject.test"}],
    }
    proxy = running(transforms=[allowlist(), secrets_of(entry)])

    proxy.ask(way, host="inject.test")

    assert proxy.arrived()[-1].get_all(b"x-key") == [value]


@pytest.mark.parametrize(
    "formatter", ["{{ .Value.__class__ }}", "{{ .Nope }}", "{{ range }}", '{{ .Value | printf "%s" }}', "{{ .Value"]
)
def test_sec_35_any_other_template_stops_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, formatter: str
) -> None:
    entry = {
        "source": {"type": "env", "var": "SEC_INJ"},
        "inject": {"header": "X-Key", "formatter": formatter},
        "rules": [{"host": "inject.test"}],
    }

    ended = run_to_end(base_config(internet, proxy_ca, transforms=[secrets_of(entry)]), tmp_path, internet)

    assert ended.returncode == 2
    assert "formatter" in ended.stderr
