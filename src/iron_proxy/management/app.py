"""The pages of `metrics.listen`: `/healthz`, `/metrics`. Imported once the proxy serves: that takes longest of all."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from iron_proxy.management.metrics_page import CONTENT_TYPE

# Any method, as upstream answers: probes send HEAD, GET and now and then POST.
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


async def _not_found(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("404 page not found\n", 404)


def build_app(
    render_metrics: Callable[[], Awaitable[bytes]],
    is_stopping: Callable[[], bool],
    is_serving: Callable[[], bool] = lambda: True,
) -> Starlette:
    """
    The ASGI application. All are asked each time anew.

    `render_metrics` is the text of `/metrics`; `is_stopping` says whether a stop has begun, `is_serving` whether
    anybody takes connections.
    """

    async def healthz(request: Request) -> PlainTextResponse:
        if is_stopping():
            return PlainTextResponse("stopping", 503)
        return PlainTextResponse("OK") if is_serving() else PlainTextResponse("no worker serves", 503)

    async def metrics(request: Request) -> Response:
        return Response(await render_metrics(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    return Starlette(
        routes=[Route("/healthz", healthz, methods=_METHODS), Route("/metrics", metrics, methods=["GET"])],
        exception_handlers={404: _not_found},
    )
