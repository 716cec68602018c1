"""The transforms of the cookbook, as their proxy.yaml configures them, between a client and an upstream."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.docs.pages import ROOT
from tests.fakes.served import LONG, OK, FarEnd, Served

from iron_proxy.config.loading import examine_config
from iron_proxy.pipeline.transform import RequestTransform, TransformContext
from iron_proxy.transforms.registry import build_transforms

FOLDER = ROOT / "examples" / "python_transforms"
KEY = "sk-canary-signing-key"
LIMIT = 1000


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def transforms(environment: Mapping[str, str] | None = None) -> list[RequestTransform]:
    """All of the file but the business hours, which depend on when the tests run."""
    config, problems = examine_config(str(FOLDER / "proxy.yaml"), {})
    context = TransformContext({"SIGNING_KEY": KEY} if environment is None else environment, LIMIT)
    built = build_transforms(config.transforms, context)
    problems.raise_if_any()
    return [each for each in built if each.name != "business_hours"]


def request_to(host: str, body: bytes = b"", headers: str = "", target: str = "/v1/chat?a=1") -> bytes:
    headers += f"Connection: close\r\nContent-Length: {len(body)}\r\n"
    return f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode() + body


class Outcome:
    """What the client, the upstream and the audit record saw."""

    def __init__(self, answer: bytes, received: bytes, record: dict[str, Any]) -> None:
        self.status = int(answer.split(b" ")[1])
        self.head, _, self.body = received.partition(b"\r\n\r\n")
        self.record = record

    def field(self, name: str) -> list[str]:
        return re.findall(rf"(?im)^{name}: (.*?)\r?$", self.head.decode())


async def send(raw: bytes, environment: Mapping[str, str] | None = None) -> Outcome:
    async with Served(*transforms(environment), allow_by_default=False) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        client.send(raw)
        answer = await client.receive_to_end()
        await client.served()
        received = await arrived(proxy.upstreams[0]) if proxy.upstreams else b""
        proxy.services.audit.flush()
        return Outcome(answer, received, json.loads(b"".join(proxy.written)))


async def arrived(upstream: FarEnd) -> bytes:
    head = await upstream.receive_until(b"\r\n\r\n")
    size = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
    body = b""
    while len(body) < size:
        body += await upstream.stream.read(LONG)
    return head + body


# --- json_field_block -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b'{"options": {"store": false}}', b'{"options": {}}', b'{"options": [1]}', b'{"store": true}', b"{}", b""],
    ids=["another value", "absent", "no object on the way", "elsewhere", "an empty object", "no body"],
)
async def test_a_body_without_the_forbidden_value_passes(body: bytes) -> None:
    outcome = await send(request_to("llm.example.com", body))

    assert (outcome.status, outcome.body) == (200, body)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"options": {"store": true}}', ""),
        (b'{"\\u006fptions": {"store": "true"}}', ""),
        (b'{"options": {"store": false, "store": true}}', ""),
        (b'["options"]', ""),
        (b"not JSON", ""),
        (b'{"a": "\xff"}', ""),
        (b"[" * LIMIT, ""),
        (b'{"a": "' + b"x" * LIMIT + b'"}', ""),
        (b"{}", "Content-Encoding: gzip\r\n"),
    ],
    ids=["so", "escaped", "twice", "a list", "a text", "no UTF-8", "deep", "too large", "compressed"],
)
async def test_the_forbidden_value_and_what_cannot_be_read_are_rejected(body: bytes, headers: str) -> None:
    outcome = await send(request_to("llm.example.com", body, headers))

    assert (outcome.status, outcome.head) == (403, b"")
    assert outcome.record["rejected_by"] == "json_field_block"


async def test_other_hosts_are_none_of_its_business() -> None:
    outcome = await send(request_to("www.example.com", b'{"options": {"store": true}}'))

    assert (outcome.status, outcome.body) == (200, b'{"options": {"store": true}}')


# --- model_rewrite --------------------------------------------------------------------------------------------------


async def test_the_model_is_changed_and_nothing_else() -> None:
    body = b'{"n": 1e400, "model": "large-model", "prompt": "l\\u00e4rge-model ", "f": 1.0}'

    outcome = await send(request_to("llm.example.com", body))

    assert outcome.body == b'{"n":1e400,"model":"small-model","prompt":"l\\u00e4rge-model ","f":1.0}'
    assert outcome.field("content-length") == [str(len(outcome.body))]
    assert {"model": ["large-model", "small-model"]} in [
        trace.get("annotations") for trace in outcome.record["request_transforms"]
    ]


@pytest.mark.parametrize(
    "body",
    [b'{ "model": "other" }', b'{ "model": 3, "x": "large-model" }', b'{ "prompt": "large-model" }'],
    ids=["another model", "no text", "no model"],
)
async def test_a_body_without_the_model_goes_on_byte_for_byte(body: bytes) -> None:
    assert (await send(request_to("llm.example.com", body))).body == body


# --- signed_header --------------------------------------------------------------------------------------------------


async def test_a_request_is_signed_and_the_clients_own_field_goes() -> None:
    outcome = await send(request_to("hooks.example.com", b"content", "x-signature: forged\r\n"))

    [field] = outcome.field("x-signature")
    seconds, signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", field).groups()  # type: ignore[union-attr]  # or it fails
    text = "\n".join([seconds, "POST", "/v1/chat?a=1", hashlib.sha256(b"content").hexdigest()])
    assert signature == hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert outcome.body == b"content"
    assert KEY not in json.dumps(outcome.record)


async def test_a_body_that_cannot_be_seen_whole_is_not_signed() -> None:
    outcome = await send(request_to("hooks.example.com", b"x" * (LIMIT + 1)))

    assert (outcome.status, outcome.head) == (413, b"")


async def test_without_its_key_nothing_goes_out() -> None:
    outcome = await send(request_to("hooks.example.com", b"content"), environment={})

    assert (outcome.status, outcome.head) == (502, b"")
    assert outcome.record["error"] == 'transform signed_header request: env var "SIGNING_KEY" is not set or empty'
