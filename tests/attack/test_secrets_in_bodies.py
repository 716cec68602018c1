"""SEC, in bodies: tokens are swapped whatever the framing; what cannot be seen whole is not guessed at."""

import base64
import gzip
import hashlib
import json

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, SPLITS, TLS_WAYS, Split, Way, way_id

REAL = SECRETS["SEC_REP"]
TOKEN_HEADER = f"X-Api-Key: {PROXY_TOKEN}\r\n"
encrypted = pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)


def annotations(proxy: RunningProxy) -> dict[str, object]:
    """What the secrets transform noted on the last request."""
    return dict(proxy.last_record()["request_transforms"][-1].get("annotations", {}))


@pytest.mark.every_split
@encrypted
@pytest.mark.parametrize("real", ["REAL-short", "REAL-" + "long" * 50], ids=["shorter", "longer"])
def test_sec_12_a_swapped_body_has_its_own_length(running: Running, way: Way, real: str) -> None:
    proxy = running(env={"SEC_REP": real})
    proxy.secrets = [real]
    host = proxy.authority(way, "swap.test")
    body = json.dumps({"key": PROXY_TOKEN, "again": PROXY_TOKEN}).encode()

    with proxy.open(way, "swap.test") as session:
        proxy.started += 2
        session.send(request("/upload", host, method="POST", body=body))
        first = session.read_answer("POST")
        session.send(request("/next", host, headers=TOKEN_HEADER))
        second = session.read_answer()

    assert (first.status, second.status) == (200, 200)
    seen = proxy.arrived()[0]
    assert seen.body == body.replace(PROXY_TOKEN.encode(), real.encode())
    assert seen.get_all(b"content-length") == [str(len(seen.body)).encode()]


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_12_a_digest_of_the_body_is_written_anew(proxy: RunningProxy, way: Way) -> None:
    old, new = (base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in (PROXY_TOKEN, REAL))
    fields = f"Content-Digest: sha-256=:{old}:\r\nx-amz-checksum-sha256: {old}\r\n"

    answer = proxy.ask(way, "/upload", host="swap.test", method="POST", headers=fields, body=PROXY_TOKEN.encode())

    seen = proxy.arrived()[-1]
    assert (answer.status, seen.body) == (200, REAL.encode())
    assert seen.get_all(b"content-digest") == [f"sha-256=:{new}:".encode()]
    assert seen.get_all(b"x-amz-checksum-sha256") == [new.encode()]


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_12_a_body_that_a_wrong_digest_vouches_for_is_refused(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, host="swap.test", method="POST", headers="Content-MD5: x\r\n", body=PROXY_TOKEN.encode())

    assert (answer.status, proxy.arrived()) == (403, [])
    assert annotations(proxy)["reject_reason"] == "body_digest"


@encrypted
@pytest.mark.parametrize("split", SPLITS)
def test_sec_13_a_token_that_is_split_over_chunks_and_segments_is_swapped(
    proxy: RunningProxy, way: Way, split: Split
) -> None:
    host = proxy.authority(way, "swap.test")
    raw = request("/upload", host, method="POST", headers="Transfer-Encoding: chunked\r\n")

    answer = proxy.exchange(
        way, raw + b"9\r\nproxy-tok\r\nb\r\nen-rep-0001\r\n0\r\n\r\n", host="swap.test", method="POST", split=split
    )

    assert answer.status == 200
    assert proxy.arrived()[-1].body == REAL.encode()


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("in_header", [False, True], ids=["token in the body", "token in a header too"])
def test_sec_15_a_body_that_cannot_be_seen_whole_is_not_guessed_at(
    proxy: RunningProxy, way: Way, in_header: bool
) -> None:
    body = PROXY_TOKEN.encode().ljust(1024 * 1024 + 1, b"x")

    answer = proxy.ask(way, host="swap.test", method="POST", body=body, headers=TOKEN_HEADER if in_header else "")

    assert answer.status == 413
    assert annotations(proxy)["reject_reason"] == "body_too_large"
    assert not [seen for seen in proxy.arrived() if seen.is_complete]


@pytest.mark.every_split(http2=True)
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_sec_16_a_captured_upload_arrives_whole(running: Running, way: Way) -> None:
    capture = {"name": "body_capture", "config": {"rules": [{"host": "ok.test"}]}}
    proxy = running(transforms=[allowlist(), capture])
    body = bytes(range(256)) * 12 * 1024

    answer = proxy.ask(way, "/upload", method="POST", body=body)

    assert answer.body.decode() == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
    captured = proxy.last_record()["body_capture"]
    assert captured["request_body_truncated"] is True


@pytest.mark.every_split
@encrypted
@pytest.mark.parametrize("framing", ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"])
def test_sec_18_a_body_that_was_cut_short_is_not_sent_as_whole(proxy: RunningProxy, way: Way, framing: str) -> None:
    host = proxy.authority(way, "swap.test")
    body = PROXY_TOKEN.ljust(500, "x")
    if "chunked" in framing:
        body = f"1f4\r\n{body}\r\n"

    with proxy.open(way, "swap.test") as session:
        proxy.started += 1
        session.send(request("/upload", host, method="POST", headers=framing) + body.encode())
        session.end()
        session.read_to_end()

    assert proxy.last_record()["action"] in ("client_cancel", "error")
    assert not [seen for seen in proxy.arrived() if seen.is_complete]


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_15_a_large_body_is_swapped_on_its_way_where_nothing_is_required(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(), secrets_of(replacement("SEC_REP", match_body=True))])
    body = (PROXY_TOKEN + "x" * 100_000) * 30

    answer = proxy.ask(way, "/upload", host="swap.test", method="POST", body=body.encode())

    expected = body.replace(PROXY_TOKEN, REAL).encode()
    assert answer.body.decode() == f"{len(expected)} {hashlib.sha256(expected).hexdigest()}"
    assert annotations(proxy)["swapped"] == [{"secret": "SEC_REP", "locations": ["body"]}]


def test_sec_15_bodies_that_were_swapped_on_their_way_are_not_kept(running: Running) -> None:
    """They hung together in a cycle, and waited in it for a collector that seldom comes: 600 MB were seen."""
    proxy = running(transforms=[allowlist(), secrets_of(replacement("SEC_REP", match_body=True))])
    body = PROXY_TOKEN.encode() + b"x" * 4_000_000

    for _ in range(15):
        assert proxy.ask(Way.HTTPS, "/upload", host="swap.test", method="POST", body=body).status == 200

    # O5 looks at the memory.


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_15_what_comes_behind_a_promised_length_keeps_it(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(), secrets_of(replacement("SEC_REP", match_body=True))])
    body = b"x" * 3_000_000 + PROXY_TOKEN.encode()

    answer = proxy.ask(way, "/upload", host="swap.test", method="POST", body=body)

    assert answer.body.decode() == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
    assert annotations(proxy) == {"body_truncated": True, "token_unswapped": ["body"]}


@pytest.mark.every_split
@encrypted
def test_sec_18_a_secret_that_cannot_be_had_breaks_a_streaming_body_off(running: Running, way: Way) -> None:
    proxy = running(transforms=[allowlist(), secrets_of(replacement("NOT_SET", match_body=True))])
    host = proxy.authority(way, "swap.test")
    size = len(PROXY_TOKEN)

    with proxy.open(way, "swap.test") as session:
        proxy.started += 1
        session.send(request("/upload", host, method="POST", headers="Transfer-Encoding: chunked\r\n"))
        session.send(b"5\r\nfirst\r\n")
        proxy.wait_for_arrival(way, "/upload")
        session.send(f"{size:x}\r\n{PROXY_TOKEN}\r\n0\r\n\r\n".encode())
        session.read_to_end()

    error = 'secret "NOT_SET" is unavailable, and its token is in a body that is being sent'
    assert proxy.last_record()["error"] == error
    assert not [seen for seen in proxy.arrived() if seen.is_complete]


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_21_a_compressed_body_is_decoded_swapped_and_coded_again(proxy: RunningProxy, way: Way) -> None:
    body = gzip.compress(PROXY_TOKEN.encode())

    answer = proxy.ask(way, "/upload", host="swap.test", method="POST", headers="Content-Encoding: gzip\r\n", body=body)

    assert answer.status == 200
    assert gzip.decompress(proxy.arrived()[-1].body) == REAL.encode()


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("coding", ["compress", "gzip"], ids=["not known", "not what it says"])
def test_sec_21_where_it_cannot_be_decoded_a_required_token_is_missing(
    proxy: RunningProxy, way: Way, coding: str
) -> None:
    headers = f"Content-Encoding: {coding}\r\n"

    answer = proxy.ask(way, host="swap.test", method="POST", headers=headers, body=PROXY_TOKEN.encode())

    assert (answer.status, proxy.arrived()) == (403, [])
    assert annotations(proxy)["reject_reason"] == "encoded_body"


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_21_a_bomb_is_not_decoded(proxy: RunningProxy, way: Way) -> None:
    body = gzip.compress(bytes(100_000_000))

    answer = proxy.ask(way, host="swap.test", method="POST", headers="Content-Encoding: gzip\r\n", body=body)

    assert (answer.status, proxy.arrived()) == (413, [])


BODIES = {
    "multipart field": f'--b\r\nContent-Disposition: form-data; name="k"\r\n\r\n{PROXY_TOKEN}\r\n--b--\r\n',
    "file name": f'--b\r\nContent-Disposition: form-data; name="f"; filename="{PROXY_TOKEN}"\r\n\r\nx\r\n--b--\r\n',
    "boundary": f"--{PROXY_TOKEN}\r\n\r\nx\r\n--{PROXY_TOKEN}--\r\n",
    "form": f"a=1&key={PROXY_TOKEN}&b=2",
    "json": json.dumps({"key": PROXY_TOKEN}),
}


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
def test_sec_23_a_token_is_swapped_in_any_kind_of_body(proxy: RunningProxy, way: Way, body: str) -> None:
    answer = proxy.ask(way, "/upload", host="swap.test", method="POST", body=body.encode())

    assert answer.status == 200
    assert proxy.arrived()[-1].body == body.replace(PROXY_TOKEN, REAL).encode()


SPELLINGS = {
    "json": ("application/json", b'{"key": "\\u0070roxy-token-rep-0001"}', b'{"key": "%b"}'),
    "form": ("application/x-www-form-urlencoded", b"a=1&k=%70roxy-token-rep%2d0001", b"a=1&k=%b"),
}


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize(("kind", "body", "expected"), SPELLINGS.values(), ids=SPELLINGS)
def test_sec_23_an_escaped_token_is_swapped(
    proxy: RunningProxy, way: Way, kind: str, body: bytes, expected: bytes
) -> None:
    answer = proxy.ask(
        way, "/upload", host="swap.test", method="POST", headers=f"Content-Type: {kind}\r\n", body=body
    )

    assert answer.status == 200
    assert proxy.arrived()[-1].body == expected % REAL.encode()


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_23_a_boundary_that_is_the_token_stays(proxy: RunningProxy, way: Way) -> None:
    kind = f"Content-Type: multipart/form-data; boundary={PROXY_TOKEN}\r\n"
    body = f"--{PROXY_TOKEN}\r\n\r\n%b\r\n--{PROXY_TOKEN}--\r\n".encode()

    answer = proxy.ask(
        way, "/upload", host="swap.test", method="POST", headers=kind, body=body % PROXY_TOKEN.encode()
    )

    assert answer.status == 200
    assert proxy.arrived()[-1].body == body % REAL.encode()


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_23_an_escaped_token_counts_as_missing_where_it_may_be_no_json(proxy: RunningProxy, way: Way) -> None:
    body = b'{"key": "\\u0070roxy-token-rep-0001"}'

    answer = proxy.ask(way, host="swap.test", method="POST", body=body)

    assert answer.status == 403
