"""TUN: CONNECT and SOCKS5 openings, what may be said inside, and what is left when tunnels end in every way."""

import pytest
from tests.attack.refusals import check_refused
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy, request
from tests.fakes.wire_client import SPLITS, Split, TunnelRefused, Way, socks_request, way_id

TUNNELS = [way for way in Way if way.is_tunnel]


@pytest.mark.parametrize("split", SPLITS)
def test_tun_01_a_connect_that_no_rule_admits_is_a_403(proxy: RunningProxy, split: Split) -> None:
    with proxy.raw("tunnel") as session:
        proxy.started += 1
        session.send(b"CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n", split)
        answer = session.read_answer()

    assert (answer.status, answer.body) == (403, b"")
    record = proxy.last_record()
    assert (record["method"], record["host"], record["path"]) == ("CONNECT", "other.test:443", "")
    assert record["rejected_by"] == "allowlist"


@pytest.mark.parametrize("split", SPLITS)
def test_tun_01_a_socks_request_that_no_rule_admits_gets_reply_two(proxy: RunningProxy, split: Split) -> None:
    with proxy.raw("tunnel") as session:
        proxy.started += 1
        session.send(b"\x05\x01\x00" + socks_request("other.test", 443), split)
        answer = session.read_to_end()

    assert answer == bytes.fromhex("0500 05020001000000000000")
    assert proxy.last_record()["method"] == "CONNECT"


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", TUNNELS, ids=way_id)
def test_tun_02_the_record_of_an_inner_request_names_the_tunnel(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way)

    assert answer.status == 200
    opening, inner = proxy.new_records()
    target = proxy.authority(way, "ok.test")
    assert (opening["method"], opening["host"], opening["status_code"]) == ("CONNECT", target, 200)
    assert inner["tunnel"]["target"] == target
    assert [trace["name"] for trace in inner["tunnel"]["request_transforms"]] == ["allowlist", "secrets"]


@pytest.mark.every_split
def test_tun_02_the_answer_to_connect_is_the_known_line(proxy: RunningProxy) -> None:
    with proxy.raw("tunnel") as session:
        proxy.started += 1
        session.send(b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n")
        assert session.read() == b"HTTP/1.1 200 Connection Established\r\n\r\n"


@pytest.mark.parametrize("split", SPLITS)
def test_tun_03_bytes_behind_connect_in_the_same_segment_are_not_lost(proxy: RunningProxy, split: Split) -> None:
    host = proxy.authority(Way.CONNECT_PLAIN, "ok.test")
    with proxy.raw("tunnel") as session:
        proxy.started += 2
        session.send(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() + request("/", host), split)
        established = session.read_exactly(len(b"HTTP/1.1 200 Connection Established\r\n\r\n"))
        answer = session.read_answer()

    assert established.startswith(b"HTTP/1.1 200")
    assert answer.body == b"ok\n"


@pytest.mark.parametrize("split", SPLITS)
def test_tun_03_bytes_behind_a_socks_request_are_not_lost(proxy: RunningProxy, split: Split) -> None:
    host = proxy.authority(Way.SOCKS_PLAIN, "ok.test")
    with proxy.raw("tunnel") as session:
        proxy.started += 2
        opening = b"\x05\x01\x00" + socks_request("ok.test", proxy.internet.plain_port)
        session.send(opening + request("/", host), split)
        session.read_exactly(12)
        assert session.read_answer().body == b"ok\n"


@pytest.mark.every_split
@pytest.mark.parametrize("way", TUNNELS, ids=way_id)
@pytest.mark.parametrize("inner", ["other.test", "swap.test", "wild.test"])
def test_tun_05_the_host_inside_must_be_the_tunnels(proxy: RunningProxy, way: Way, inner: str) -> None:
    raw = request("/", proxy.authority(way, inner))

    check_refused(proxy, way, raw, statuses=(400, 421))


@pytest.mark.every_split
@pytest.mark.parametrize("way", [Way.CONNECT_TLS, Way.SOCKS_TLS], ids=way_id)
@pytest.mark.parametrize("name", ["other.test", "wild.test"])
def test_tun_05_the_server_name_inside_must_be_the_tunnels(proxy: RunningProxy, way: Way, name: str) -> None:
    with proxy.open(way, "ok.test", sni=name) as session:
        proxy.started += 1
        session.send(request("/", proxy.authority(way, name)))
        answer = session.read_answer()

    assert answer.status in (400, 403, 421)
    assert proxy.arrived() == []


@pytest.mark.every_split
@pytest.mark.parametrize("way", TUNNELS, ids=way_id)
def test_another_port_than_the_tunnels_is_refused(proxy: RunningProxy, way: Way) -> None:
    check_refused(proxy, way, request("/", "ok.test:1"), statuses=(421,))


@pytest.mark.every_split
def test_tun_07_the_request_target_of_connect_decides(proxy: RunningProxy) -> None:
    statuses = []
    for target, host in (("other.test:443", "ok.test:443"), ("ok.test:443", "other.test:443")):
        with proxy.raw("tunnel") as session:
            proxy.started += 1
            session.send(f"CONNECT {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            statuses.append(session.read_answer().status)

    assert set(statuses) <= {400, 403}
    assert proxy.arrived() == []


@pytest.mark.every_split
def test_tun_09_a_request_in_absolute_form_is_served(proxy: RunningProxy) -> None:
    host = proxy.authority(Way.HTTP, "ok.test")
    statuses = []
    with proxy.raw("tunnel") as session:
        for name in (host, proxy.authority(Way.HTTP, "other.test")):
            proxy.started += 1
            session.send(f"GET http://{name}/x HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            statuses.append(session.read_answer().status)

    assert statuses == [200, 403]
    assert [seen.request_line for seen in proxy.arrived()] == [b"GET /x HTTP/1.1"]


@pytest.mark.every_split
def test_tun_10_a_socks_client_may_offer_more_methods(proxy: RunningProxy) -> None:
    host = proxy.authority(Way.HTTP, "127.0.1.9")
    with proxy.raw("tunnel") as session:
        proxy.started += 2
        session.send(b"\x05\x02\x00\x02")
        assert session.read_exactly(2) == b"\x05\x00"
        session.send(socks_request("127.0.1.9", proxy.internet.plain_port))
        assert session.read_exactly(10) == bytes.fromhex("05000001000000000000")
        session.send(request("/", host))
        assert session.read_answer().status == 200


@pytest.mark.every_split
def test_tun_10_a_socks_client_that_insists_on_a_password_is_told_so(proxy: RunningProxy) -> None:
    with proxy.raw("tunnel") as session:
        session.send(b"\x05\x01\x02")
        answer = session.read_to_end()

    assert answer == b"\x05\xff"
    assert "authentication" in proxy.wait_for_event("tunnel")["reason"]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    "domain",
    [
        b"other.test\0.wild.test", b"ok.test\0", b"[::1]", b"ok.test:80", b"2130706697", b"0x7f000109", b"",
        b"ok..test", b"xn--" + b"a" * 60 + b".test",
    ],
)  # fmt: skip
def test_tun_11_a_domain_that_can_be_read_in_two_ways_is_refused(
    proxy: RunningProxy, domain: bytes, split: Split
) -> None:
    with proxy.raw("tunnel") as session:
        session.send(b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(domain)]) + domain + b"\x01\xbb", split)
        answer = session.read_to_end()

    assert answer[:2] == b"\x05\x00"
    assert answer[2:4] in (b"\x05\x01", b"\x05\x02")
    assert proxy.wait_for_event("tunnel")["action"] == "reject"


@pytest.mark.every_split
@pytest.mark.parametrize(
    ("command", "address_type", "code"),
    [(2, 1, 7), (3, 1, 7), (0, 1, 7), (255, 1, 7), (1, 2, 8), (1, 0, 8)],
    ids=["BIND", "UDP ASSOCIATE", "command 0", "command 255", "address type 2", "address type 0"],
)
def test_tun_13_other_commands_and_address_types_are_refused(
    proxy: RunningProxy, command: int, address_type: int, code: int
) -> None:
    with proxy.raw("tunnel") as session:
        session.send(b"\x05\x01\x00" + bytes([5, command, 0, address_type]) + b"\x7f\0\0\x01\0\x50")
        answer = session.read_to_end()

    assert answer == b"\x05\x00" + bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", [Way.CONNECT_TLS, Way.SOCKS_TLS], ids=way_id)
def test_tun_15_require_binds_at_the_inner_request(proxy: RunningProxy, way: Way) -> None:
    statuses = [
        proxy.ask(way, host="swap.test", headers=headers).status for headers in ("", f"X-Api-Key: {PROXY_TOKEN}\r\n")
    ]

    assert statuses == [403, 200]
    assert [seen.get_all(b"x-api-key") for seen in proxy.arrived()] == [[SECRETS["SEC_REP"].encode()]]


@pytest.mark.every_split
def test_a_tunnel_in_which_something_else_is_spoken_is_closed_with_a_record(proxy: RunningProxy) -> None:
    with proxy.open(Way.SOCKS_PLAIN, "ok.test") as session:
        session.send(b"\x00\x01\x02\x03")
        assert session.is_closed()

    assert "0x00" in proxy.wait_for_event("tunnel")["reason"]


@pytest.mark.every_split
@pytest.mark.parametrize("code", [1, 4, 6])
def test_a_socks_tunnel_to_an_address_that_is_not_allowed_is_refused(proxy: RunningProxy, code: int) -> None:
    with pytest.raises(TunnelRefused) as refused:
        proxy.open(Way.SOCKS_PLAIN, {1: "127.0.1.2", 4: "::1", 6: "other.test"}[code], 80)

    assert refused.value.code == 2
