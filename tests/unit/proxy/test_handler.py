"""The main path: however a request ends, there is one answer that fits and exactly one record."""

from typing import cast

import pytest
from tests.fakes.served import GET, OK, Served
from tests.fakes.transforms import FakeAllowlist, FakeTransform

from iron_proxy.errors import IronProxyError, SecretUnavailable, UpstreamTimeout, UpstreamUnreachable
from iron_proxy.messages.authority import Target
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.pipeline.exchange import BodyCapture, Exchange, Tunnel
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.verdict import CONTINUE, Continue, Reject, Stub, Verdict
from iron_proxy.proxy.snapshot import Snapshot

POST = b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 5\r\n\r\n"


def doing(verdict: Verdict) -> FakeTransform:
    return FakeTransform("rule", lambda exchange: verdict)


def raising(error: Exception) -> FakeTransform:
    def fail(exchange: Exchange) -> Verdict:
        raise error

    return FakeTransform("rule", fail)


# --- outcomes -------------------------------------------------------------------------------------------------------


async def test_an_allowed_request_is_forwarded_and_recorded() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        client.send(b"GET /a%20b?q=1 HTTP/1.1\r\nHost: ok.test:80\r\nConnection: close\r\n\r\n")

        assert (await client.receive_to_end()).endswith(b"\r\n\r\nok")

        [record] = await proxy.records()
        facts = {key: record[key] for key in ("host", "method", "path", "action", "status_code", "remote_addr", "sni")}
        assert facts == {
            "host": "ok.test",
            "method": "GET",
            "path": "/a b",
            "action": "allow",
            "status_code": 200,
            "remote_addr": "192.0.2.2:2000",
            "sni": "",
        }
        assert [trace["name"] for trace in record["request_transforms"]] == ["allowlist"]
        assert proxy.dialer.permits[0].admission.rule == "domains: ok.test"


async def test_a_request_that_nothing_admits_is_refused_and_nothing_is_dialled() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        client = proxy.open()
        client.send(b"GET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n")

        assert (await client.receive_to_end()).startswith(b"HTTP/1.1 403 Forbidden\r\n")

        [record] = await proxy.records()
        assert (record["action"], record["rejected_by"]) == ("reject", "default_deny")
        assert record["code"] == "no_allowlist"
        assert proxy.dialer.permits == []


async def test_a_transforms_own_refusal_is_sent_as_it_is_and_can_be_given_again() -> None:
    async with Served(doing(Reject("too many", plain_text(429, "slow down")))) as proxy:
        client = proxy.open()
        client.send(GET + GET)

        received = await client.receive_until(b"slow down\n") + await client.receive_until(b"slow down\n")

        assert received.count(b"HTTP/1.1 429 Too Many Requests\r\n") == 2
        [record, _] = await proxy.records()
        assert (record["status_code"], record["rejected_by"], record["reason"]) == (429, "rule", "too many")


async def test_a_stub_answers_in_the_upstreams_place() -> None:
    async with Served(doing(Stub(plain_text(200, "stubbed")))) as proxy:
        client = proxy.open()
        client.send(GET)

        await client.receive_until(b"stubbed\n")

        [record] = await proxy.records()
        assert (record["action"], record["stubbed_by"], record["level"]) == ("stub", "rule", "INFO")


async def test_a_refusal_of_a_body_that_was_not_read_ends_the_connection() -> None:
    async with Served(doing(Stub(plain_text(200, "stubbed")))) as proxy:
        client = proxy.open()
        client.send(POST)
        await client.stream.write_end()

        assert b"\r\nConnection: close\r\n" in await client.receive_to_end()


async def test_a_client_that_does_not_take_its_refusal_was_refused_all_the_same() -> None:
    async with Served(doing(Reject("no", plain_text(403, "x" * 600_000)))) as proxy:
        proxy.limit(write=0.01)
        client = proxy.open()
        client.send(GET)

        await client.served()

        assert await client.is_reset()
        [record] = await proxy.records()
        assert (record["action"], record["rejected_by"]) == ("reject", "rule")


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        (UpstreamUnreachable("lookup ok.test: no such host"), 502, b"bad gateway\n"),
        (UpstreamTimeout("connecting to ok.test timed out"), 502, b"bad gateway\n"),
        (IronProxyError("a head of ours"), 500, b"internal error\n"),
    ],
    ids=["unreachable", "slow", "ours"],
)
async def test_a_failure_is_answered_without_its_reason_and_recorded_with_it(
    failure: IronProxyError, status: int, text: bytes
) -> None:
    async with Served() as proxy:
        proxy.answers(failure)
        client = proxy.open()
        client.send(GET)

        head, body = await client.receive_until(b"\r\n\r\n"), await client.receive_until(b"\n")

        assert (head.split()[1], body) == (b"%d" % status, text)
        [record] = await proxy.records()
        assert (record["action"], record["status_code"], record["error"]) == ("error", status, str(failure))


async def test_a_connection_outlives_a_failed_exchange() -> None:
    async with Served() as proxy:
        proxy.answers(UpstreamUnreachable("no"), OK)
        client = proxy.open()
        client.send(GET)
        await client.receive_until(b"bad gateway\n")
        client.send(GET)

        assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")
        assert await proxy.actions() == [("error", 502), ("allow", 200)]


async def test_a_foreign_exception_of_a_transform_fails_its_request_only_and_is_not_quoted() -> None:
    async with Served(raising(ValueError("Authorization: Bearer sk-real"))) as proxy:
        client = proxy.open()
        client.send(GET)

        assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")

        [record] = await proxy.records()
        assert record["error"] == "transform rule request: ValueError"
        assert "sk-real" not in str(record)


async def test_a_transforms_own_error_is_quoted() -> None:
    async with Served(raising(SecretUnavailable("secret OPENAI: no value"))) as proxy:
        client = proxy.open()
        client.send(GET)
        await client.receive_until(b"bad gateway\n")

        [record] = await proxy.records()
        assert record["error"] == "transform rule request: secret OPENAI: no value"
        assert record["request_transforms"][0]["action"] == "error"


async def test_a_bug_of_ours_leaves_a_record_and_ends_the_connection() -> None:
    async with Served() as proxy:
        client = proxy.open()

        class Broken:
            looks_at_responses = False

            async def run_request(self, *arguments: object) -> None:
                raise RuntimeError("a bug")

        proxy.services.snapshot = Snapshot(cast(Pipeline, Broken()))
        client.send(GET)

        with pytest.raises(RuntimeError):
            await client.served()
        assert await client.is_reset()
        [record] = await proxy.records()
        assert (record["action"], record["status_code"], record["error"]) == ("error", 500, "internal error")
        proxy._tasks.clear()


# --- requests that are refused before policy sees them --------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "status", "method"),
    [
        (b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n", 405, "CONNECT"),
        (b"GET / HTTP/1.1\r\nHost: ok.test\r\nExpect: miracles\r\n\r\n", 417, "GET"),
        (b"GET /../secret HTTP/1.1\r\nHost: ok.test\r\n\r\n", 400, "GET"),
        (b"GET / HTTP/1.1\r\nHost: ok.test\r\nHost: other.test\r\n\r\n", 400, "GET"),
    ],
    ids=["CONNECT", "Expect", "dot segments", "two hosts"],
)
async def test_a_bad_request_is_told_so_and_reaches_no_transform(wire: bytes, status: int, method: str) -> None:
    transform = FakeTransform()
    async with Served(transform) as proxy:
        client = proxy.open()
        client.send(wire)
        await client.stream.write_end()

        received = await client.receive_to_end()

        assert received.startswith(b"HTTP/1.1 %d " % status)
        [record] = await proxy.records()
        assert (record["action"], record["status_code"], record["method"]) == ("reject", status, method)
        assert "rejected_by" not in record
        assert transform.calls == 0


async def test_a_refused_requests_record_names_what_was_asked() -> None:
    async with Served() as proxy:
        client = proxy.open()
        client.send(b"GET /%2e%2e/x?secret HTTP/1.1\r\nHost: ok.test\r\n\r\n")
        await client.stream.write_end()
        await client.receive_to_end()

        [record] = await proxy.records()
        assert (record["host"], record["path"]) == ("ok.test", "/../x")


# --- the record -----------------------------------------------------------------------------------------------------


async def test_a_request_inside_a_tunnel_names_it() -> None:
    target = Target("ok.test", 80)
    async with Served() as proxy:
        proxy.answers(OK)
        client = proxy.open(tunnel=Tunnel(target, ({"name": "allowlist", "action": "continue"},)))
        client.send(GET)
        await client.receive_until(b"ok")

        [record] = await proxy.records()
        assert record["tunnel"] == {
            "target": "ok.test:80",
            "request_transforms": [{"name": "allowlist", "action": "continue"}],
        }


async def test_a_captured_body_is_in_the_record() -> None:
    def capture(exchange: Exchange) -> Verdict:
        exchange.body_capture = BodyCapture("hel", True)
        return Continue()

    async with Served(FakeTransform("capture", capture)) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        client.send(POST + b"hello")
        await client.receive_until(b"ok")

        [record] = await proxy.records()
        assert record["body_capture"] == {"request_body": "hel", "request_body_truncated": True}


async def test_each_request_keeps_the_policy_it_began_with() -> None:
    async with Served() as proxy:
        client = proxy.open()
        client.send(GET)
        upstream = await proxy.upstream()
        async with Served(doing(Reject("after the reload"))) as reloaded:
            proxy.services.snapshot = reloaded.services.snapshot
            upstream.send(OK)
            await client.receive_until(b"ok")
            client.send(GET)

            assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 ")


async def test_a_stub_with_an_empty_answer_of_its_own() -> None:
    async with Served(doing(Stub(Response(204)))) as proxy:
        client = proxy.open()
        client.send(GET)

        assert b"Content-Length" not in await client.receive_until(b"\r\n\r\n")


# --- the same request again and again -------------------------------------------------------------------------------


async def test_what_a_transform_did_to_one_request_the_next_does_not_have() -> None:
    def mark(exchange: Exchange) -> Verdict:
        seen.append(list(exchange.request.headers))
        exchange.request.headers.append(b"X-Mark", b"%d" % len(seen))
        exchange.request.headers.pairs.insert(0, (b"X-First", b"1"))
        exchange.request.set_raw_path(b"/%d" % len(seen))
        return CONTINUE

    seen: list[list[tuple[bytes, bytes]]] = []
    async with Served(FakeTransform("mark", mark)) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        for number in range(1, 6):
            client.send(GET.replace(b"\r\n\r\n", b"\r\nX: 1\r\n\r\n"))
            upstream = await proxy.upstream()
            forwarded = await upstream.receive_until(b"\r\n\r\n")
            if number > 1:
                upstream.send(OK)
            await client.receive_until(b"ok")

            assert forwarded.startswith(b"GET /%d HTTP/1.1\r\nHost: ok.test\r\nX-First: 1\r\nX: 1\r\n" % number)
            assert forwarded.count(b"X-Mark") == 1

        assert seen == [[(b"X", b"1")]] * 5
        assert [record["path"] for record in await proxy.records()] == ["/"] * 5
