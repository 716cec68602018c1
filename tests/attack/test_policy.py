"""POL: host, path and method policy, over every way in."""

import pytest
from tests.attack.refusals import check_refused
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import ALL_WAYS, Split, Way, way_id


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_01_a_host_that_no_rule_names_is_refused(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, host="other.test")

    assert answer.status == 403
    record = proxy.last_record()
    assert (record["level"], record["action"], record["rejected_by"]) == ("WARN", "reject", "allowlist")


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
def test_pol_01_the_refusal_is_an_empty_text(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, host="other.test")

    assert answer.get(b"content-type") == b"text/plain"
    assert (answer.body, answer.get(b"content-length")) == (b"", b"0")


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("ok.test", 200),
        ("a.wild.test", 200),
        ("a.b.wild.test", 200),
        ("wild.test", 200),
        ("evilwild.test", 403),
        ("example.test.other.test", 403),
    ],
    ids=["exact", "subdomain", "deep subdomain", "the domain itself", "suffix without a dot", "prefix"],
)
def test_pol_02_a_wildcard_matches_whole_labels(proxy: RunningProxy, way: Way, host: str, status: int) -> None:
    answer = proxy.ask(way, host=host)

    assert answer.status == status


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_03_require_binds_whatever_the_case_of_the_host(running: Running, way: Way) -> None:
    entry = replacement("SEC_REP", host="api.wild.test", require=True)
    proxy = running(transforms=[allowlist(), secrets_of(entry)])

    for spelling in ("api.wild.test", "API.wild.test", "aPi.WiLd.TeSt"):
        answer = proxy.ask(way, host="api.wild.test", host_field=proxy.authority(way, spelling))

        assert answer.status == 403
        assert proxy.last_record()["rejected_by"] == "secrets"


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("host", ["ok.test", "api.wild.test"])
def test_pol_05_a_trailing_dot_changes_no_decision_and_is_not_forwarded(
    proxy: RunningProxy, way: Way, host: str
) -> None:
    answer = proxy.ask(way, "/echo", host=host, host_field=proxy.authority(way, f"{host}."))

    assert answer.status == 200
    assert proxy.arrived()[-1].get_all(b"host") == [proxy.authority(way, host).encode()]


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_05_a_trailing_dot_opens_nothing(proxy: RunningProxy, way: Way) -> None:
    assert proxy.ask(way, host="other.test", host_field=proxy.authority(way, "other.test.")).status == 403


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    "host",
    [
        pytest.param(host, id=name)
        for name, host in {
            "pol-07 escaped letter": b"%61pi.wild.test",
            "pol-07 escaped dot": b"api%2ewild.test",
            "pol-07 escaped nul": b"other.test%00.wild.test",
            "pol-11 user info before": b"ok.test@other.test",
            "pol-11 user info after": b"other.test@ok.test",
            "pol-11 fragment": b"ok.test#.other.test",
            "pol-11 path": b"ok.test/other.test",
            "pol-11 query": b"ok.test?other.test",
            "pol-11 backslash": b"ok.test\\other.test",
            "pol-14 one number": b"2130706697",
            "pol-14 hexadecimal": b"0x7f000109",
            "pol-14 octal part": b"0177.0.0.1",
            "pol-14 three parts": b"127.0.265",
            "pol-14 leading zeros": b"127.0.1.009",
            "pol-14 trailing dot": b"127.0.1.9.",
            "pol-14 inner space": b"127.0.1.9 x",
            "full-width letters": "ｏｋ.test".encode(),
            "ideographic full stop": "ok。test".encode(),
            "port with underscore": b"ok.test:8_0",
            "port with plus": b"ok.test:+80",
            "port out of range": b"ok.test:65536",
            "port empty": b"ok.test:",
            "two ports": b"ok.test:80:80",
            "IPv6 zone": b"[fe80::1%25eth0]",
        }.items()
    ],
)
def test_an_authority_that_can_be_read_in_two_ways_is_refused(proxy: RunningProxy, way: Way, host: bytes) -> None:
    for split in Split:
        check_refused(proxy, way, b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host, split)

    assert not proxy.internet.dns.names_asked() & {"api.wild.test.", "other.test"}


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("host", ["xn--pple-43d.test", "xn--a.test", "xn--" + "a" * 59 + ".test"])
def test_pol_09_a_name_that_only_looks_like_an_allowed_one_is_refused(running: Running, way: Way, host: str) -> None:
    proxy = running(transforms=[allowlist(domains=["apple.test"])])

    answer = proxy.ask(way, host=host, host_field=host)

    assert answer.status in (400, 403)
    assert proxy.arrived() == []


# A client's TLS would not send it, and to SOCKS5 it is no name at all (test_tun_11).
@pytest.mark.every_split
@pytest.mark.parametrize("way", [Way.HTTP, Way.CONNECT_TLS, Way.CONNECT_PLAIN], ids=way_id)
def test_pol_09_a_name_that_is_too_long_is_refused(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(domains=["apple.test"])])
    name = "xn--" + "a" * 60 + ".test"

    assert proxy.ask(way, host=name, host_field=name).status in (400, 403)
    assert proxy.arrived() == []


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_11_user_info_in_an_absolute_form_is_refused(proxy: RunningProxy, way: Way) -> None:
    check_refused(proxy, way, b"GET http://ok.test@other.test/ HTTP/1.1\r\nHost: ok.test\r\n\r\n")


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_12_a_rule_with_ports_admits_no_other(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(domains=[], rules=[{"host": "ok.test", "ports": [22]}])])

    answer = proxy.ask(way)

    assert answer.status == 403
    assert proxy.arrived() == []
    assert proxy.last_record()["reason"]


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", [way for way in ALL_WAYS if way is not Way.HTTPS], ids=way_id)
def test_pol_14_an_address_in_canonical_form_matches_its_cidr(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, host="127.0.1.9")

    assert answer.status == 200


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    "transforms",
    [[], None, [secrets_of(replacement("SEC_REP"))]],
    ids=["an empty list", "no key", "secrets only"],
)
def test_pol_17_without_an_allowlist_everything_is_denied_and_the_start_says_so(
    running: Running, way: Way, transforms: list[object] | None
) -> None:
    proxy = running(transforms=transforms)

    answer = proxy.ask(way)

    assert answer.status == 403
    assert proxy.arrived() == []
    assert proxy.last_record()["rejected_by"] == "default_deny"
    said = proxy.wait_for(lambda line: "no allowlist transform is configured" in line["msg"])
    assert said["level"] == "WARN"


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("config", [{"domains": []}, {"rules": []}, {}], ids=["domains", "rules", "nothing"])
def test_pol_18_an_empty_allowlist_denies(running: Running, way: Way, config: dict[str, object]) -> None:
    proxy = running(transforms=[{"name": "allowlist", "config": config}])

    assert proxy.ask(way).status == 403


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin", "/v1/./x", "/..", "/v1/..", "/v1/%2e%2e/admin", "/v1/%2E./admin", "/v1/a%2f..%2f..%2fadmin",
        "/v1/%252e%252e/admin", "/v1/..;x/admin", "/v1/..%5cadmin",
    ],
)  # fmt: skip
def test_pol_20_dot_segments_are_refused_in_every_spelling(proxy: RunningProxy, way: Way, path: str) -> None:
    host = proxy.authority(way, "rules.test")
    raw = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    answer = proxy.exchange(way, raw, host="rules.test")

    assert (answer.status, answer.body) == (400, b"path contains dot segments\n")
    assert proxy.arrived() == []
    assert proxy.last_record()["reason"] == "path contains dot segments"


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("path", ["/v1%2Fadmin", "/%761/x", "/v1/a%2Fb", "/v1;x/y", "//v1/x"])
def test_pol_22_escapes_open_no_path_that_its_decoded_form_does_not(proxy: RunningProxy, way: Way, path: str) -> None:
    decoded = {"/v1%2Fadmin": False, "/%761/x": True, "/v1/a%2Fb": True, "/v1;x/y": False, "//v1/x": False}

    answer = proxy.ask(way, path, host="rules.test")

    assert answer.status in ((200, 400, 403) if decoded[path] else (400, 403))
    assert all(request.path == path for request in proxy.arrived())


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_22_an_escape_that_no_rule_looks_at_arrives_unchanged(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, "/o/dir%2Ffile?a=%zz&b=%2f")

    assert proxy.arrived()[-1].path == "/o/dir%2Ffile?a=%zz&b=%2f"


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_method_and_path_rules_bind_at_the_inner_request(proxy: RunningProxy, way: Way) -> None:
    statuses = [
        proxy.ask(way, path, host="rules.test", method=method).status
        for method, path in (("GET", "/v1/x"), ("DELETE", "/v1/x"), ("GET", "/v2/x"), ("GET", "/exact"))
    ]

    assert statuses == [200, 403, 403, 200]


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_pol_25_warn_mode_forwards_and_says_so(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(domains=["nothing.test"], warn=True)])

    answer = proxy.ask(way)

    assert answer.status == 200
    trace = proxy.last_record()["request_transforms"][0]
    assert (trace["action"], trace["annotations"]) == ("continue", {"action": "warn"})
    assert "not enforced" in proxy.wait_for(lambda line: line["level"] == "WARN")["msg"]
