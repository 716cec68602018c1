"""The dashboard's files: what is served to whom, with which headers, and that they name nothing outside of them."""

import re
from importlib.resources import files

import pytest
from starlette.applications import Starlette
from starlette.types import Message, Scope

from iron_proxy.management.dashboard.pages import dashboard_routes

FILES = {each.name: each.read_text("utf-8") for each in (files("iron_proxy.management.dashboard") / "page").iterdir()}
APP = Starlette(routes=dashboard_routes())


async def asked(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of an answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: Scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 1),
    }  # fmt: skip
    await APP(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("name", sorted(FILES))
async def test_every_file_is_served_whole_and_with_its_type(name: str) -> None:
    status, headers, body = await asked(f"/dashboard/{name}")

    kind = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}[name.split(".")[1]]
    assert (status, body.decode()) == (200, FILES[name])
    assert headers["content-type"].startswith(kind)


@pytest.mark.parametrize("path", ["", "index.html", "main.js", "dashboard.css", "icon.svg"])
async def test_every_file_keeps_other_sites_out(path: str) -> None:
    _, headers, _ = await asked(f"/dashboard/{path}")

    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


async def test_the_folder_is_the_page_and_its_name_alone_leads_there() -> None:
    assert (await asked("/dashboard/"))[2].decode() == FILES["index.html"]
    status, headers, _ = await asked("/dashboard")
    assert (status, headers["location"]) == (308, "dashboard/")


@pytest.mark.parametrize("path", ["x", "../api.py", "..%2fpages.py", "page/index.html", "__init__.py", "index.html/"])
async def test_nothing_else_is_served(path: str) -> None:
    assert (await asked(f"/dashboard/{path}"))[0] in (404, 307)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_files_can_only_be_read(method: str) -> None:
    status, headers, body = await asked("/dashboard/", method)

    assert (status, headers["allow"], body) == (405, "GET, HEAD", b"")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_loads_nothing_from_elsewhere(name: str) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", FILES[name]))

    assert addresses <= {"http://www.w3.org/2000/svg"}          # the name of a format, which nobody asks for


@pytest.mark.parametrize("name", [name for name in sorted(FILES) if name.endswith(".js")])
def test_no_script_reads_text_as_markup_or_code(name: str) -> None:
    forbidden = r"(?:inner|outer|Adjacent)HTML|document\.write|\beval\b|new Function|DOMParser|srcdoc|\.href\s*="

    assert re.findall(forbidden, FILES[name]) == []


def test_the_page_has_no_inline_script_or_style() -> None:
    page = FILES["index.html"]

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page) == []


def test_every_file_that_a_file_names_is_there() -> None:
    named = set(re.findall(r"(?:src|href)=\"([\w.]+)\"", FILES["index.html"]))
    for name, text in FILES.items():
        if name.endswith(".js"):
            named |= set(re.findall(r"from \"\./([\w.]+)\"", text))

    assert named | {"index.html"} == set(FILES)
