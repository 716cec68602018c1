"""The pages of `metrics.listen`: `/healthz`, `/metrics`. Imported once the proxy serves: that takes longest of all."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from iron_proxy.management.metrics_page import CONTENT_TYPE

# Any method, as upstream answers: probes send HEAD, GET and now and then POST.
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


async def _healthz(request: Request) -> PlainTextResponse:
    return PlainTextResponse("OK")


async def _not_found(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("404 page not found\n", 404)


def build_app(render_metrics: Callable[[], bytes]) -> Starlette:
    """The ASGI application. `render_metrics` is asked for the text of `/metrics`, each time anew."""

    async def metrics(request: Request) -> Response:
        return Response(render_metrics(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    return Starlette(
        routes=[Route("/healthz", _healthz, methods=_METHODS), Route("/metrics", metrics, methods=["GET"])],
        exception_handlers={404: _not_found},
    )
