"""
TLS that is not terminated: the name in the ClientHello is decided on, then its bytes and all that follow are relayed.

For `tls.mode: sni-only` and the hosts of `tls.passthrough`. Only host and port can be seen, so rules count as for a
request without method and path: one with `methods` or `paths` admits nothing here, for nobody could enforce it, and
transforms that need a whole request (secrets, header lists) stay out. No certificate is made.

Encrypted ClientHello: policy sees the outer name, which is also where the bytes go, so a client reaches nothing but
what the operators of an admitted name serve behind it. It is not refused: browsers send the extension always, filled
with random bytes (GREASE), which nobody can tell from the real one. Our DNS hands out no keys for it.

Called by `client_tls.py`.
"""

import asyncio
import logging
from contextlib import suppress
from time import perf_counter
from typing import Any

from iron_proxy.audit.outcome import UNEXPECTED_REASON, Allowed, ClientGone, Failed, Outcome, Rejected, Stubbed
from iron_proxy.audit.record import RequestRecord, new_request_id, request_record
from iron_proxy.errors import AuditUnavailable, BadRequest, IronProxyError, let_go
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Admission, Exchange, Tunnel
from iron_proxy.pipeline.pipeline import Permit, Refusal, Traces
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import Stub
from iron_proxy.protocols.client_hello import ClientHello
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.connection import client_name
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sight import RequestSight, Sight
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.relay import Relay, RelayIdle
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream

# Parity: always this, whatever port a tunnel was asked for: the name is that of an HTTPS server. An intercepted
# connection keeps its own port: there the client has really connected to it.
HTTPS_PORT = 443

# Fatal alerts (RFC 8446 section 6.2): the client's error then says more than "connection closed".
_ACCESS_DENIED, _INTERNAL_ERROR, _UNRECOGNIZED_NAME = 49, 80, 112

_log = logging.getLogger("iron_proxy.proxy")


async def serve_passthrough(
    stream: SocketStream,
    services: Services,
    hello: ClientHello,
    tunnel: Tunnel | None,
    original_destination: Target | None = None,
) -> None:
    """Decide on a connection whose ClientHello stands unread again in `stream`, and relay it to its end."""
    passage = _Passage(stream, services, hello, tunnel, original_destination)
    services.connections.add(passage)
    try:
        await passage.run()
    finally:
        services.connections.discard(passage)
        passage.close()
        passage.emit()


class _Passage:
    """One connection that is passed through, from its ClientHello to its record."""

    def __init__(
        self,
        stream: SocketStream,
        services: Services,
        hello: ClientHello,
        tunnel: Tunnel | None,
        original_destination: Target | None,
    ) -> None:
        self._stream, self._services, self._tunnel = stream, services, tunnel
        self._original_destination = original_destination
        self._server_name = hello.server_name
        self._snapshot = services.snapshot         # of the moment of the ClientHello: a reload does not change it
        self._client_name = client_name(services, stream.peer, tunnel)
        self._started = perf_counter()
        self._request_id = new_request_id()
        self._is_opened = False                    # its opening record has been emitted
        self._is_recorded = False                  # its record has, or the closing one
        self._admission: Admission | None = None
        self._outcome: Outcome = Failed(500, UNEXPECTED_REASON)
        self._traces: Traces = []
        self._relay: Relay | None = None
        self._upstream: SocketStream | TLSStream | None = None
        self._quiet_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """All of it. What client and upstream do raises nothing."""
        try:
            if self._services.audit.must_wait:
                await self._services.audit.room()
            if self._snapshot.require_client and not self._client_name:
                raise BadRequest("the client is none of those configured", 403)
            decision = await self._decide(self._target())
            if isinstance(decision, Refusal):
                await self._refuse(decision)
            else:
                await self._pass(decision)
        except BadRequest as error:
            self._outcome = Rejected(error.status, str(error))
            await self._alert(_UNRECOGNIZED_NAME)
        except IronProxyError as error:
            self._outcome = Failed(error.status, str(error))
            await self._alert(_INTERNAL_ERROR)
        except asyncio.CancelledError:
            self._outcome = Failed(503, "the proxy is shutting down")
            self._break()
            raise

    # --- the decision -----------------------------------------------------------------------------------------------

    def _target(self) -> Target:
        """
        What the client wants to reach. Raises BadRequest.

        Inside a tunnel the name must be the tunnel's host, as it must where TLS is terminated. For an address no client
        sends a name (RFC 6066 section 3): a tunnel to one that comes without is for that address, and an intercepted
        connection for the one that it was made to.
        """
        if self._original_destination is not None:
            return self._intercepted_target(self._original_destination)
        asked = self._tunnel.target if self._tunnel is not None else None
        if self._server_name is None:
            if asked is None or not asked.is_ip:
                raise BadRequest("client hello missing sni")
            return Target(asked.host, HTTPS_PORT, True)
        if asked is not None and asked.host != self._server_name:
            raise BadRequest("SNI and tunnel target mismatch", 421)
        return Target(self._server_name, HTTPS_PORT)

    def _intercepted_target(self, original: Target) -> Target:
        return original if self._server_name is None else Target(self._server_name, original.port)

    async def _decide(self, target: Target) -> Permit | Refusal:
        # No method and no path: what a rule says about either is not met. TLS on this port counts as https.
        request = Request("", "https", target, b"")
        request.client_name = self._client_name
        exchange = Exchange(request, self._stream.peer, self._server_name or "", self._tunnel)
        with self._services.in_use():
            decision = await self._snapshot.pipeline.run_request(exchange, self._traces, Scope.TUNNEL)
        self._admission = exchange.admission
        return decision

    async def _refuse(self, refusal: Refusal) -> None:
        verdict = refusal.verdict
        status = verdict.response.status if verdict.response is not None else 403
        if isinstance(verdict, Stub):
            self._outcome = Stubbed(status, refusal.by)
        else:
            self._outcome = Rejected(status, verdict.reason, refusal.by, verdict.code)
        fields = {"sni": self._server_name, "status": status}
        _log.info("sni passthrough short-circuited by transform", extra={"fields": fields})
        await self._alert(_ACCESS_DENIED)

    async def _alert(self, description: int) -> None:
        """Tell the client in the only words it knows by now; in strict mode when its record has been written."""
        if self._services.audit.is_strict and not self._is_opened:
            self.emit()
            with suppress(AuditUnavailable):       # an alert says nothing that would have to wait for a disk
                await self._services.audit.written()
        with suppress(StreamReset, StreamTimeout):
            await self._stream.write(bytes((21, 3, 3, 0, 2, 2, description)), self._services.limits.write)

    # --- the relay --------------------------------------------------------------------------------------------------

    async def _pass(self, permit: Permit) -> None:
        if self._services.records_sessions or self._services.audit.is_strict:
            await self._record_opening()
        upstream = self._upstream = await self._services.dialer.dial_raw(permit)
        if self._stream.is_gone:
            self._outcome = ClientGone()
            return
        limits = self._services.limits
        self._relay = Relay(
            self._stream, upstream, idle_timeout=limits.tunnel_idle, write_timeout=limits.write
        )
        if self._services.draining:
            self.close_if_idle()
        try:
            await self._relay.run()
        except (StreamReset, StreamTimeout, RelayIdle) as error:
            let_go(error)
            self._break()                           # neither side may wait for the other any longer
        self._outcome = Allowed(200)
        fields = {
            "sni": self._server_name,
            "bytes_from_client": self._relay.forth.size,
            "bytes_from_upstream": self._relay.back.size,
        }
        _log.debug("sni passthrough closed", extra={"fields": fields})

    def close_if_idle(self) -> None:
        """For draining: close as soon as nothing has moved for a moment."""
        if self._relay is None:
            return
        left = timeouts.PASSTHROUGH_QUIET - self._relay.idle_seconds
        if left > 0:
            self._quiet_timer = asyncio.get_running_loop().call_later(left, self.close_if_idle)
        else:
            self.close()

    def sight(self) -> Sight:
        """For whoever looks at the process."""
        age = perf_counter() - self._started
        return Sight(
            "passthrough",
            self._stream.peer,
            age,
            self._stream.extra("socket"),
            client=self._client_name,
            target=self._host,
            is_tunnel=self._tunnel is not None,
            generation=self._snapshot.generation,
            requests=(RequestSight(self._request_id, "", self._host, age),),
        )

    def close(self) -> None:
        """Close both sides in order."""
        if self._quiet_timer is not None:
            self._quiet_timer.cancel()
        self._stream.close()
        if self._upstream is not None:
            self._upstream.close()

    def _break(self) -> None:
        self._stream.abort()
        if self._upstream is not None:
            self._upstream.abort()

    # --- the record -------------------------------------------------------------------------------------------------

    async def _record_opening(self) -> None:
        """The first of two records: before anything is dialled. Raises AuditUnavailable, in strict mode only."""
        record = self._record(Allowed(200))
        record.phase, self._is_opened = "open", True
        record.request_transforms = list(self._traces)
        self._services.audit.emit_opening(record)
        if self._services.audit.is_strict:
            await self._services.audit.written()

    def emit(self) -> None:
        """The connection's record when it has ended: the only one, or the closing one. Once only."""
        if self._is_recorded:
            return
        self._is_recorded = True
        record = self._record(self._outcome)
        if self._is_opened:
            record.phase = "close"
        self._services.audit.emit(record)

    def _record(self, outcome: Outcome) -> RequestRecord:
        record = request_record(
            outcome,
            request_id=self._request_id,
            host=self._host,
            method="",
            path="",
            client=self._stream.peer,
            server_name=self._server_name or "",
            duration=perf_counter() - self._started,
            request_traces=self._traces,
            response_traces=[],
        )
        record.mode = self._snapshot.passthrough_mode
        if self._client_name:
            record.client = self._client_name
        if self._relay is not None:
            record.bytes_from_client, record.bytes_from_upstream = self._relay.forth.size, self._relay.back.size
        if self._tunnel is not None:
            record.tunnel = self._tunnel_fields(self._tunnel)
        if self._original_destination is not None:
            record.original_destination = str(self._original_destination)
        record.generation = self._snapshot.generation
        if self._admission is not None:
            record.rule = self._admission.place or self._admission.rule
        if self._upstream is not None:
            record.upstream = {"address": self._upstream.peer}
        return record

    @property
    def _host(self) -> str:
        asked = self._original_destination if self._tunnel is None else self._tunnel.target
        if self._server_name is None and asked is not None:
            return asked.bracketed_host
        return self._server_name or ""

    def _tunnel_fields(self, tunnel: Tunnel) -> dict[str, Any]:
        fields: dict[str, Any] = {"target": str(tunnel.target)}
        if tunnel.target.port != HTTPS_PORT:
            fields["port_passed_through"] = HTTPS_PORT
        if tunnel.traces:
            fields["request_transforms"] = list(tunnel.traces)
        return fields
