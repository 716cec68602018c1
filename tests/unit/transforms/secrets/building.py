"""A secrets transform from YAML, and requests to send through it."""

import textwrap
from collections.abc import Mapping
from typing import Any

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.messages.authority import parse_target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, TransformContext
from iron_proxy.pipeline.verdict import Verdict
from iron_proxy.transforms.secrets.transform import build

TOKEN = b"proxy-openai-abc123"
REAL = "sk-real-openai-key"
ENVIRONMENT = {"OPENAI_API_KEY": REAL}


class PiecewiseBody:
    """A body that arrives in the given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.trailers: list[Pair] = []
        self._pieces = list(pieces)

    async def read_body(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def read_body_nowait(self) -> bytes | None:
        return None


def transform_from(
    yaml: str, environment: Mapping[str, str] | None = None, limit: int | None = 1 << 20
) -> RequestTransform:
    """The transform that a `config:` text builds; raises ConfigError with every problem."""
    problems = Problems("test.yaml")
    section = parse_config(textwrap.dedent(yaml), "test.yaml", problems)
    context = TransformContext(ENVIRONMENT if environment is None else environment, limit)
    transform = build(section, context)
    problems.raise_if_any()
    return transform


def one_entry(
    keys: str,
    *,
    host: str = "api.openai.com",
    environment: Mapping[str, str] | None = None,
    limit: int | None = 1 << 20,
) -> RequestTransform:
    """The entry of the specification's cases: OPENAI_API_KEY for one host, with the keys of the case."""
    yaml = f"""
        secrets:
          - source: {{type: env, var: OPENAI_API_KEY}}
            rules: [{{host: "{host}"}}]
            {keys}
    """
    return transform_from(yaml, environment, limit)


def replacing(
    keys: str = "match_headers: [Authorization]",
    *,
    top: str = "",
    environment: Mapping[str, str] | None = None,
    limit: int | None = 1 << 20,
    host: str = "api.openai.com",
) -> RequestTransform:
    """`one_entry` in replace mode, with the keys of the block and of the entry."""
    block = f"replace: {{proxy_value: {TOKEN.decode()}, {keys}}}"
    return one_entry(f"{block}\n            {top}" if top else block, environment=environment, limit=limit, host=host)


def exchange_of(
    *headers: Pair,
    host: str = "api.openai.com",
    method: str = "GET",
    path: bytes = b"/v1/chat",
    query: bytes | None = None,
    body: bytes | Body = b"",
    scheme: str = "https",
) -> Exchange:
    """A request on its way through the pipeline."""
    target = parse_target(host.encode(), 443 if scheme == "https" else 80)
    content = body if isinstance(body, Body) else Body.of(body)
    return Exchange(Request(method, scheme, target, path, query, Headers([*headers]), content))


def bearer(token: bytes = TOKEN) -> Pair:
    return (b"Authorization", b"Bearer " + token)


async def send(transform: RequestTransform, exchange: Exchange) -> Verdict:
    """What the pipeline does with one transform."""
    return await transform.on_request(exchange)


async def content_of(exchange: Exchange) -> bytes:
    """The body as it would be forwarded."""
    pieces = []
    while piece := await exchange.request.body.read():
        pieces.append(piece)
    return b"".join(pieces)


def swapped(*locations: str, secret: str = "OPENAI_API_KEY") -> dict[str, Any]:
    """The annotations of one swapped secret."""
    return {"swapped": [{"secret": secret, "locations": [*locations]}]}
