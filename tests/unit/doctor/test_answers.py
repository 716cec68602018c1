"""Enough of each client's protocol for one request."""

import hashlib
import io
import json
import zipfile

import pytest

from iron_proxy.config.problems import Problems
from iron_proxy.config.section import Section
from iron_proxy.doctor.answers import PACKAGE, WHEEL_NAME, Answer, DoctorAnswers, answer_to, wheel
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import TransformContext
from iron_proxy.pipeline.verdict import Stub

ORIGIN = "https://localhost:8443"


def content(path: str) -> bytes:
    answer = answer_to(path, ORIGIN)
    assert answer.status == 200
    return answer.content


def test_a_plain_page() -> None:
    assert answer_to("/curl-routed/hello", ORIGIN) == Answer(200, "text/plain", b"iron-proxy doctor\n")


def test_git_reads_references_from_files() -> None:
    assert content("/git/project.git/info/refs").endswith(b"\trefs/heads/main\n")
    assert content("/git/project.git/HEAD") == b"ref: refs/heads/main\n"


def test_pip_finds_a_wheel_by_a_page_with_its_checksum() -> None:
    page = content(f"/pip/python/{PACKAGE}/").decode()

    assert f"#sha256={hashlib.sha256(wheel()).hexdigest()}" in page
    assert content(f"/pip/python/{PACKAGE}/{WHEEL_NAME}") == wheel()


def test_the_wheel_is_complete_and_always_the_same() -> None:
    files = zipfile.ZipFile(io.BytesIO(wheel()))
    record = files.read("iron_proxy_doctor-1.0.0.dist-info/RECORD").decode()

    assert files.testzip() is None
    assert {line.partition(",")[0] for line in record.splitlines()} == set(files.namelist())
    before = wheel()
    wheel.cache_clear()
    assert wheel() == before


def test_npm_is_told_a_version() -> None:
    assert json.loads(content(f"/npm/npm/{PACKAGE}"))["dist-tags"] == {"latest": "1.0.0"}


def test_cargo_is_led_from_its_index_to_the_api() -> None:
    api = json.loads(content("/cargo/cargo/index/config.json"))["api"]

    found = json.loads(content(f"{api.removeprefix(ORIGIN)}/api/v1/crates"))

    assert [crate["name"] for crate in found["crates"]] == [PACKAGE]


def test_go_is_told_a_version_and_its_module() -> None:
    place = "/go/go/iron-proxy.invalid/doctor/@v/v1.0.0"

    assert json.loads(content(f"{place}.info"))["Version"] == "v1.0.0"
    assert content(f"{place}.mod") == b"module iron-proxy.invalid/doctor\n"


@pytest.mark.parametrize(
    "path",
    ["/", "/x", "/x/y", "/x/project.git/config", "/x/python/other/", "/x/cargo/y", "/x/go/other/@v/v1.0.0.info"],
)
def test_everything_else_is_missing(path: str) -> None:
    assert answer_to(path, ORIGIN).status == 404


async def test_the_transform_answers_everything_itself() -> None:
    transform = DoctorAnswers(Section(None, "", Problems("test")), TransformContext({}, None))
    target = Target("localhost", 8443, False)
    request = Request("GET", "https", target, b"/cargo/cargo/index/config.json", None, Headers())

    verdict = await transform.on_request(Exchange(request, "127.0.0.1:1", ""))

    assert isinstance(verdict, Stub)
    body, _ = await verdict.response.body.peek(1000)
    assert json.loads(body)["api"] == "https://localhost:8443/cargo/cargo"
    assert verdict.response.headers.get(b"content-type") == b"application/json"
