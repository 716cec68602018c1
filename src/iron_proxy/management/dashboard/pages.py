"""
The dashboard's files on the management listener: `/dashboard/` and what it loads, nothing else, from memory.

The files are the same for everybody and hold nothing of this proxy, so that they need no key; what the page shows it
asks the management API for, with the key that its user types. The headers keep other sites' pages out of it and it
out of them: no script but its own files, nothing read from elsewhere, no frame around it. Called by `api.py`.
"""

from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/dashboard/"

# Content Security Policy level 3. No 'unsafe-inline', no data:, and texts that become markup are refused by the browser
# (Trusted Types); a form is never sent anywhere.
POLICY: Final = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
))  # fmt: skip
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",                   # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",                 # another version of the proxy has other files under the same names
}
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def dashboard_routes() -> list[Route]:
    """Routes for the page and its files; these are read here, once."""
    contents = _read_files()
    routes = [Route(PATH + name, _File(content, _TYPES[name.rpartition(".")[2]])) for name, content in contents.items()]
    page = _File(contents["index.html"], _TYPES["html"])
    return [Route(PATH, page), Route(PATH.rstrip("/"), _to_the_page), *routes]


def _read_files() -> dict[str, bytes]:
    folder = files("iron_proxy.management.dashboard") / "page"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES}


async def _to_the_page(request: Request) -> Response:
    """Relative, so that a prefix that something in front of us has added stays."""
    return RedirectResponse(PATH.strip("/") + "/", 308, headers=HEADERS)


class _File:
    """One file, as an ASGI application: so it is asked for all methods."""

    def __init__(self, content: bytes, kind: str) -> None:
        self._content = content
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp
        if scope["method"] in ("GET", "HEAD"):
            answer = Response(self._content, 200, HEADERS, self._kind)
        else:
            answer = Response(b"", 405, {**HEADERS, "Allow": "GET, HEAD"})
        await answer(scope, receive, send)
