"""Any client's version to any upstream's version, over every way in that is TLS: all arrives as it was said."""

import hashlib
from collections.abc import Iterator

import pytest
from tests.end_to_end.version_lanes import LANES, SHORT_LANES, Lane, Lanes, lane_id
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy

pytestmark = pytest.mark.end_to_end

MEBIBYTE = 1 << 20
CONTENT = hashlib.sha256(b"content").digest() * 32 * 1024 * 10  # 10 MiB


@pytest.fixture(scope="module")
def origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def lanes(proxy: RunningProxy, internet: Internet, origin: Http2Origin) -> Iterator[Lanes]:
    yield Lanes(proxy, internet, origin)
    assert origin.violations == []


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_a_get_is_answered(lanes: Lanes, lane: Lane) -> None:
    answer = lanes.call(lane, "/page?q=1", headers=[(b"x-one", b"1"), (b"accept", b"*/*")])

    assert (answer.status, answer.body, answer.is_complete) == (200, b"ok\n", True)
    seen = lanes.seen(lane)
    assert (seen.method, seen.path, seen.host) == (b"GET", "/page?q=1", b"ok.test:%d" % lanes.port(lane))
    assert (seen.get(b"x-one"), seen.get(b"accept"), seen.body) == (b"1", b"*/*", b"")
    assert seen.get(b"content-length") is None
    assert seen.get(b"transfer-encoding") is None
    record = lanes.proxy.last_record()
    assert (record["action"], record["status_code"], record["path"]) == ("allow", 200, "/page")
    assert record["host"].startswith("ok.test")


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_a_body_of_known_size_stays_sized(lanes: Lanes, lane: Lane) -> None:
    answer = lanes.call(lane, "/upload", "POST", body=b"x" * 1000)

    assert answer.body.startswith(b"1000 ")
    assert answer.get(b"content-length") == str(len(answer.body)).encode()
    assert answer.get(b"transfer-encoding") is None
    assert lanes.seen(lane).get(b"content-length") == b"1000"
    assert lanes.seen(lane).get(b"transfer-encoding") is None


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_a_body_of_unknown_size_stays_so(lanes: Lanes, lane: Lane) -> None:
    upload = lanes.call(lane, "/upload", "POST", body=b"x" * 1000, sized=False)
    seen = lanes.seen(lane)
    download = lanes.call(lane, "/stream/1000")

    assert upload.body.startswith(b"1000 ")
    assert seen.get(b"content-length") is None
    assert seen.get(b"transfer-encoding") == (b"chunked" if lane.upstream == 1 else None)
    assert (len(download.body), download.is_complete) == (1000, True)
    assert download.get(b"content-length") is None
    assert download.get(b"transfer-encoding") == (b"chunked" if lane.client == 1 else None)


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "unsized"])
def test_an_empty_body_is_an_empty_body(lanes: Lanes, lane: Lane, sized: bool) -> None:
    answer = lanes.call(lane, "/upload", "POST", body=b"", sized=sized)

    assert answer.body.startswith(b"0 ")
    assert lanes.seen(lane).is_complete


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_head_has_the_length_and_no_body(lanes: Lanes, lane: Lane) -> None:
    answer = lanes.call(lane, "/" if lane.upstream == 2 else "/raw/head", "HEAD")

    assert (answer.status, answer.body, answer.is_complete) == (200, b"", True)
    assert answer.get(b"content-length") == b"3"


@pytest.mark.parametrize("status", [204, 304, 404, 500])
@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_a_status_is_passed_on(lanes: Lanes, lane: Lane, status: int) -> None:
    answer = lanes.call(lane, f"/code/{status}")

    assert (answer.status, answer.is_complete) == (status, True)
    assert answer.body == (b"" if status in (204, 304) else b"status")
    assert status != 204 or answer.get(b"content-length") is None
    assert lanes.proxy.last_record()["status_code"] == status


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_trailers_of_an_answer_are_passed_on(lanes: Lanes, lane: Lane) -> None:
    connection = [(b"connection", b"TE")] if lane.client == 1 else []

    answer = lanes.call(lane, "/trailers", headers=[(b"te", b"trailers"), *connection])

    assert (answer.body, answer.trailers, answer.is_complete) == (b"ok", [(b"x-checksum", b"7")], True)


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
@pytest.mark.parametrize("body", [b"content", b""], ids=["body", "no body"])
def test_trailers_of_a_request_are_passed_on(lanes: Lanes, lane: Lane, body: bytes) -> None:
    answer = lanes.call(lane, "/upload", "POST", body=body, sized=False, trailers=[(b"x-checksum", b"7")])

    assert answer.body.startswith(b"%d " % len(body))
    assert lanes.seen(lane).trailers == [(b"x-checksum", b"7")]


@pytest.mark.parametrize("lane", LANES, ids=lane_id)
def test_early_hints_are_passed_on(lanes: Lanes, lane: Lane) -> None:
    answer = lanes.call(lane, "/hints")

    assert (answer.informational, answer.status, answer.body) == ([103], 200, b"ok")


FRAMED_LANES = [*((lane, True) for lane in LANES), *((lane, False) for lane in SHORT_LANES)]
FRAMED_IDS = [f"{lane_id(lane)}-{'sized' if sized else 'unsized'}" for lane, sized in FRAMED_LANES]


@pytest.mark.parametrize(("lane", "sized"), FRAMED_LANES, ids=FRAMED_IDS)
def test_ten_mebibytes_arrive_whole_at_the_origin(lanes: Lanes, lane: Lane, sized: bool) -> None:
    answer = lanes.call(lane, "/upload", "POST", body=CONTENT, sized=sized)

    assert answer.body.decode() == f"{len(CONTENT)} {hashlib.sha256(CONTENT).hexdigest()}"


@pytest.mark.parametrize(("lane", "sized"), FRAMED_LANES, ids=FRAMED_IDS)
def test_ten_mebibytes_arrive_whole_at_the_client(lanes: Lanes, lane: Lane, sized: bool) -> None:
    size = 10 * MEBIBYTE

    answer = lanes.call(lane, f"/big/{size}" if sized else f"/stream/{size}")

    blocks = b"".join(bytes([number & 255]) * 65_536 for number in range(size >> 16))
    assert answer.body == (blocks if lane.upstream == 2 else b"x" * size)
    assert answer.is_complete


@pytest.mark.parametrize("lane", [lane for lane in SHORT_LANES if lane.client == 1], ids=lane_id)
def test_fields_of_one_connection_end_there(lanes: Lanes, lane: Lane) -> None:
    """RFC 9110 section 7.6.1. In HTTP/2 a client may not even send them (tests/attack/test_http2_translation.py)."""
    hop_by_hop = [(b"connection", b"x-hop, keep-alive"), (b"x-hop", b"1"), (b"keep-alive", b"timeout=5")]

    answer = lanes.call(lane, headers=[*hop_by_hop, (b"X-MIXED-Case", b"Value")])

    seen = lanes.seen(lane)
    assert answer.status == 200
    assert [seen.get(name) for name in (b"x-hop", b"keep-alive")] == [None, None]
    assert seen.get(b"x-mixed-case") == b"Value"
    assert lane.upstream == 1 or seen.get(b"connection") is None


@pytest.mark.parametrize("lane", [lane for lane in SHORT_LANES if lane.client == 2], ids=lane_id)
def test_cookies_in_pieces_are_one_field_in_http1(lanes: Lanes, lane: Lane) -> None:
    """RFC 9113 section 8.2.3."""
    lanes.call(lane, headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])

    cookies = [value for name, value in lanes.seen(lane).headers if name == b"cookie"]
    assert cookies == [b"a=1; b=2"] or (lane.upstream == 2 and cookies == [b"a=1", b"b=2"])


@pytest.mark.parametrize("lane", SHORT_LANES, ids=lane_id)
def test_repeated_fields_stay_repeated(lanes: Lanes, lane: Lane) -> None:
    lanes.call(lane, headers=[(b"x-list", b"a"), (b"x-list", b"b"), (b"x-empty", b""), (b"x-bytes", b"\xe9")])

    fields = lanes.seen(lane).headers
    assert [value for name, value in fields if name == b"x-list"] == [b"a", b"b"]
    assert [value for name, value in fields if name in (b"x-empty", b"x-bytes")] == [b"", b"\xe9"]


@pytest.mark.parametrize("lane", SHORT_LANES, ids=lane_id)
def test_an_answer_that_is_cut_is_cut_for_the_client(lanes: Lanes, lane: Lane) -> None:
    answer = lanes.call(lane, "/cut/2")

    assert (answer.status, answer.is_complete) == (200, False)
    assert getattr(answer, "reset", None) not in (0, 8)
    assert lanes.proxy.last_record()["action"] == "error"


@pytest.mark.parametrize("lane", SHORT_LANES, ids=lane_id)
def test_what_policy_refuses_is_refused(lanes: Lanes, lane: Lane) -> None:
    answer = lanes.call(lane, "/v2/x", host="rules.test")

    assert (answer.status, answer.is_complete) == (403, True)
    assert (lanes.origin.requests, lanes.proxy.arrived()) == ([], [])
    record = lanes.proxy.last_record()
    assert (record["action"], record["path"], record["host"].split(":")[0]) == ("reject", "/v2/x", "rules.test")
