"""The tunnel listener's HTTP side: CONNECT opens a tunnel, anything else is served as a forward proxy request."""

from iron_proxy.audit.outcome import Outcome, Rejected
from iron_proxy.errors import AuditUnavailable, BadRequest, ClientError
from iron_proxy.messages.authority import Target, parse_target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response, plain_text, rejection
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.protocols.http1.framing import NoBody
from iron_proxy.proxy.client_identity import credentials_wanted
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.handler import UNKNOWN_CLIENT, handle
from iron_proxy.proxy.request_checks import described
from iron_proxy.proxy.request_life import RequestLife, record_refusal
from iron_proxy.proxy.respond import respond
from iron_proxy.proxy.tunnel_policy import decide_tunnel

# Parity: clients look for a 2xx only, but some log the phrase.
_ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"


class ConnectHandler:
    """A handler for `ClientConnection.serve` that stops serving HTTP once a tunnel is open (`opened`)."""

    def __init__(self) -> None:
        self.opened: Tunnel | None = None

    async def __call__(self, client: ClientConnection, head: RequestHead | ClientError) -> None:
        """Serve one request on the tunnel port."""
        with client.services.in_use():
            await self._serve(client, head)

    async def _serve(self, client: ClientConnection, head: RequestHead | ClientError) -> None:
        if isinstance(head, RequestHead) and not await _identify(client, head):
            return
        if isinstance(head, ClientError) or head.method != "CONNECT":
            await handle(client, head)
            return
        try:
            target = _connect_target(head)
        except BadRequest as error:
            await _refuse(client, head, error)
            return
        decision = await decide_tunnel(client, target, _headers(client, head))
        try:
            await self._answer(client, head, decision)
        except ClientError:                        # it has left; the record of the opening is written
            client.break_off()

    async def _answer(self, client: ClientConnection, head: RequestHead, decision: Tunnel | Response) -> None:
        if isinstance(decision, Tunnel):
            await client.write(_ESTABLISHED)
            client.stream.push_back(client.reader.parser.take_unread())     # a ClientHello sent without waiting
            client.leave_http()
            self.opened = decision
        else:
            client.keep_alive = False
            await respond(client, head, decision)


def _connect_target(head: RequestHead) -> Target:
    """The request target decides (RFC 9112 section 3.2.3); a Host field must say the same."""
    if not isinstance(head.framing, NoBody):
        raise BadRequest("CONNECT with a body")
    target = parse_target(head.target, 443)
    if len(head.host_fields) > 1:
        raise BadRequest("more than one Host header")
    if head.host_fields and parse_target(head.host_fields[0], target.port).host != target.host:
        raise BadRequest("request target and Host header mismatch")
    return target


async def _identify(client: ClientConnection, head: RequestHead) -> bool:
    """Find out who asks; False when it was turned away, with an answer and a record."""
    snapshot = client.services.snapshot
    name = await snapshot.clients.by_proxy_authorization(head.proxy_authorization, client.stream.peer)
    client.client_name = name or ""
    if name or (name is not None and not snapshot.require_client):
        return True
    wants_password = snapshot.clients.takes_credentials
    reason = UNKNOWN_CLIENT if name is not None else "the client's user name or password is wrong"
    life = RequestLife()
    life.host, life.method, life.path = described(head)
    if head.method == "CONNECT":
        life.host, life.path = head.target.decode("utf-8", "replace"), ""
    response = credentials_wanted() if wants_password else rejection()
    if not await _record(client, life, Rejected(response.status, reason)):
        response = plain_text(503, "service unavailable")
    try:
        client.keep_alive = False
        await respond(client, head, response)
    except ClientError:
        client.break_off()
    return False


def _headers(client: ClientConnection, head: RequestHead) -> Headers:
    """The fields that transforms see: Proxy-Authorization is theirs to judge where it is no client's password."""
    headers = Headers(list(head.pairs))
    if head.proxy_authorization is not None and not client.services.snapshot.clients.takes_credentials:
        headers.append(b"Proxy-Authorization", head.proxy_authorization)
    return headers


async def _refuse(client: ClientConnection, head: RequestHead, error: BadRequest) -> None:
    life = RequestLife()
    life.host, life.method = head.target.decode("utf-8", "replace"), "CONNECT"
    if not await _record(client, life, Rejected(error.status, str(error))):
        error = BadRequest("the audit log cannot be written", 503)
    try:
        await client.answer_error(error)
    except ClientError:
        client.keep_alive = False


async def _record(client: ClientConnection, life: RequestLife, outcome: Outcome) -> bool:
    """Emit the record of a refusal that is about to be told; False when nothing can be written (strict mode)."""
    try:
        await record_refusal(client, life, outcome)
    except AuditUnavailable:
        return False
    return True
