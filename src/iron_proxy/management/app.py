"""The pages of `metrics.listen`: `/healthz`. Imported once the proxy serves: it takes longer than all the rest."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

# Any method, as upstream answers: probes send HEAD, GET and now and then POST.
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


async def _healthz(request: Request) -> PlainTextResponse:
    return PlainTextResponse("OK")


async def _not_found(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("404 page not found\n", 404)


def build_app() -> Starlette:
    """The ASGI application."""
    return Starlette(
        routes=[Route("/healthz", _healthz, methods=_METHODS)], exception_handlers={404: _not_found}
    )


class PageServer(uvicorn.Server):
    """uvicorn on a socket that is already bound, leaving signals to `runtime/lifecycle.py`."""

    def __init__(self, sock: socket.socket) -> None:
        # Few pages, small requests, nobody in a hurry: a low cap keeps a scanner from filling the process.
        super().__init__(
            uvicorn.Config(
                build_app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                http="h11",
                ws="none",
                limit_concurrency=64,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self._socket = sock

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield

    async def run_pages(self) -> None:
        """Serve until `should_exit`."""
        await self.serve(sockets=[self._socket])
