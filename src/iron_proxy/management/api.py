"""
The management API: routes, and what every call goes through before it is looked at.

In this order: may the caller (`access.py`), is it the right method, then what the call is about. Plain HTTP: whoever
must come from another machine comes through something that speaks TLS. Built by `runtime/lifecycle.py`.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from iron_proxy.inspection.masked_config import masked_config
from iron_proxy.management.access import Access
from iron_proxy.management.answers import error_answer, json_answer
from iron_proxy.management.audit_feed import AuditFeed, TooManyWatchers
from iron_proxy.management.audit_stream import AuditStream
from iron_proxy.management.control import MANAGEMENT_API, Control
from iron_proxy.management.dashboard.pages import dashboard_routes
from iron_proxy.management.explaining import answer_explain
from iron_proxy.management.openapi import openapi_document
from iron_proxy.management.request_body import BadCall

GENERATION_HEADER: Final = "Iron-Proxy-Generation"

_log = logging.getLogger("iron_proxy.management")

Answer = Callable[[Request], Awaitable[ASGIApp]]


class Call(NamedTuple):
    """One endpoint. Its answer is an ASGI application, as every response of Starlette is."""

    path: str
    method: str
    answer: Answer


def build_api(control: Control) -> Starlette:
    """The ASGI application."""
    access = Access(control.key_digest, is_loopback=_is_loopback(control))
    return Starlette(
        routes=[*(Route(call.path, _Guarded(call, access)) for call in calls_of(control)), *dashboard_routes()],
        exception_handlers={404: _not_found},
    )


def calls_of(control: Control) -> tuple[Call, ...]:
    """Every endpoint."""
    answers = _Answers(control)
    return (
        Call("/v1/reload", "POST", answers.reload),
        Call("/v1/sync", "POST", answers.sync),
        Call("/v1/status", "GET", answers.status),
        Call("/v1/config", "GET", answers.config),
        Call("/v1/explain", "POST", answers.explain),
        Call("/v1/connections", "GET", answers.connections),
        Call("/v1/audit/stream", "GET", answers.stream),
        Call("/v1/openapi.json", "GET", answers.openapi),
    )


class _Answers:
    """What each call does, once it may. Raises BadCall."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._feed = AuditFeed(control.services.audit, control.watch_workers)

    async def reload(self, request: Request) -> Response:
        """Parity: upstream's bodies; ours say more only where there is more to say."""
        result = await self._control.reload(MANAGEMENT_API)
        headers = {GENERATION_HEADER: str(result.generation)}
        if result.status == "failed":
            _log.error("management reload failed")
            return error_answer(500, "internal error", headers)
        if result.status == "refused":
            _log.warning("management reload rejected invalid config")
            content: dict[str, object] = {"error": "\n".join(result.problems), "problems": result.problems}
            if result.workers:
                content["workers"] = result.workers
            return json_answer(content, 422, headers)
        _log.info("management reload succeeded")
        answer: dict[str, object] = {"status": "ok"}
        if result.left:
            answer["not_reloaded"] = [{"key": key, "reason": reason} for key, reason in result.left]
        if result.warnings:
            answer["warnings"] = result.warnings
        if result.workers:
            answer["workers"] = result.workers
        return json_answer(answer, 200, headers)

    async def sync(self, request: Request) -> Response:
        return error_answer(404, "sync is unavailable in standalone mode")

    async def status(self, request: Request) -> Response:
        return json_answer(await self._control.status())

    async def config(self, request: Request) -> Response:
        return json_answer(masked_config(self._control.config))

    async def explain(self, request: Request) -> Response:
        return await answer_explain(self._control, request)

    async def connections(self, request: Request) -> Response:
        return json_answer(await self._control.connections())

    async def stream(self, request: Request) -> ASGIApp:
        try:
            return AuditStream(self._feed, self._feed.open())
        except TooManyWatchers:
            raise BadCall(503, "too many watch the audit stream already") from None

    async def openapi(self, request: Request) -> Response:
        return json_answer(openapi_document())


class _Guarded:
    """A call behind what every call goes through, as an ASGI application: so it is asked for all methods."""

    def __init__(self, call: Call, access: Access) -> None:
        self._call = call
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        refusal = self._access.refusal(request.headers, _address(request))
        if refusal is not None:
            return error_answer(*refusal)
        if request.method != self._call.method:
            return error_answer(405, "method not allowed", {"Allow": self._call.method})
        try:
            return await self._call.answer(request)
        except BadCall as error:
            return error_answer(error.status, str(error))
        except Exception as error:  # noqa: BLE001 - one call ends
            # The type only: the text of a foreign exception may quote a secret.
            fields = {"path": self._call.path, "error": type(error).__name__}
            _log.error("management call failed", extra={"fields": fields})
            return error_answer(500, "internal error")


async def _not_found(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("404 page not found\n", 404)


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _is_loopback(control: Control) -> bool:
    listen = control.config.management.listen
    if listen is None or listen.host == "localhost":
        return listen is not None
    try:
        return ipaddress.ip_address(listen.host).is_loopback
    except ValueError:
        return False
