"""The pages of `metrics.listen`: `/healthz`, `/metrics`. Imported once the proxy serves: that takes longest of all."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from iron_proxy.management.metrics_page import CONTENT_TYPE

# Any method, as upstream answers: probes send HEAD, GET and now and then POST.
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


async def _not_found(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("404 page not found\n", 404)


def build_app(render_metrics: Callable[[], bytes], is_stopping: Callable[[], bool]) -> Starlette:
    """The ASGI application. Both are asked each time anew: the text of `/metrics`, and whether a stop has begun."""

    async def healthz(request: Request) -> PlainTextResponse:
        return PlainTextResponse("stopping", 503) if is_stopping() else PlainTextResponse("OK")

    async def metrics(request: Request) -> Response:
        return Response(render_metrics(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    return Starlette(
        routes=[Route("/healthz", healthz, methods=_METHODS), Route("/metrics", metrics, methods=["GET"])],
        exception_handlers={404: _not_found},
    )
