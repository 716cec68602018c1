"""
The decision about a tunnel, for CONNECT and SOCKS5 alike: could any rule admit this host and port?

Method and path rules, and secrets' `require`, bind at the request inside. The tunnel then fixes the target: what comes
inside must be for the same host (`request_checks.py`).
"""

import asyncio

from iron_proxy.audit.outcome import Allowed, ClientGone, Failed, Outcome, Rejected
from iron_proxy.errors import IronProxyError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response, plain_text, rejection
from iron_proxy.pipeline.exchange import Exchange, Tunnel
from iron_proxy.pipeline.pipeline import Refusal
from iron_proxy.pipeline.transform import Scope
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.handler import RequestLife, emit


async def decide_tunnel(client: ClientConnection, target: Target, headers: Headers) -> Tunnel | Response:
    """The open tunnel, or the response that refuses it. Emits the record of the opening either way."""
    life = RequestLife()
    life.host, life.method = str(target), "CONNECT"
    request = Request("CONNECT", "tunnel", target, b"", None, headers)
    request.client_name = client.client_name
    life.exchange = exchange = Exchange(request, client.stream.peer, target.host)
    try:
        decision = await client.services.snapshot.pipeline.run_request(exchange, life.request_traces, Scope.TUNNEL)
        if isinstance(decision, Refusal):
            response, life.outcome = _refused(decision)
            return response
        life.outcome = Allowed(200)
        return Tunnel(target, tuple(life.request_traces), client.client_name)
    except asyncio.CancelledError:
        life.outcome = ClientGone() if client.client_left else Failed(503, "the proxy is shutting down")
        raise
    except IronProxyError as error:
        life.outcome = Failed(error.status, str(error))
        return plain_text(502, "bad gateway")
    finally:
        emit(client, life)


def _refused(refusal: Refusal) -> tuple[Response, Outcome]:
    verdict = refusal.verdict
    response = verdict.response or rejection()
    reason = getattr(verdict, "reason", "answered by a transform")
    return response, Rejected(response.status, reason, refusal.by)
