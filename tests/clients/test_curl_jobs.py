"""curl, for all that can be said on a command line, and h2load, which asks for much at once."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from tests.clients.jobs import Routing, job
from tests.clients.origins.files_origin import RANDOM_BYTES
from tests.clients.world import World
from tests.fakes.running_proxy import PROXY_TOKEN

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

TOKEN = ["-H", f"Authorization: Bearer {PROXY_TOKEN}"]
UPLOAD_MEGABYTES = 200
NO_PROXIES = {
    Routing.HTTPS_PROXY: "h2load knows no proxies",
    Routing.SOCKS5: "h2load knows no proxies",
}


def curl(world: World, routing: Routing, *arguments: str, timeout: float = 60) -> str:
    """Run curl with the token; it finds everything else in its environment."""
    return world.run(routing, ["curl", "-sS", "--fail", *TOKEN, *arguments], timeout=timeout).stdout


@job("curl", "HTTP/1.1: GET", commands=("curl",))
def test_curl_gets_over_http1(world: World, routing: Routing) -> None:
    seen = json.loads(curl(world, routing, "--http1.1", "https://web.test/seen"))

    assert seen == {"protocol": "HTTP/1.1", "method": "GET", "host": "web.test"}
    world.check_route(routing, "web.test")


@job("curl", "plain HTTP: GET", commands=("curl",))
def test_curl_gets_over_plain_http(world: World, routing: Routing) -> None:
    done = world.run(routing, ["curl", "-sS", "--fail", "http://web.test/open"])

    assert done.stdout == "open\n"


@job("curl", "HTTP/2: GET and a download", commands=("curl", "nginx"), http2=True)
def test_curl_gets_over_http2(world: World, routing: Routing, tmp_path: Path) -> None:
    world.origin("files")

    out = curl(
        world, routing, "--http2", "-w", "%{http_version} ", "-o", str(tmp_path / "seen"), "https://web.test/seen",
        "-o", str(tmp_path / "random"), "https://files.test/random",
    )  # fmt: skip

    assert out == "2 2 "
    assert (tmp_path / "random").stat().st_size == RANDOM_BYTES
    world.check_route(routing, "web.test")


@job("curl", "HTTP/2: many downloads at once on one connection", commands=("curl", "nginx"), http2=True)
def test_curl_multiplexes(world: World, routing: Routing, tmp_path: Path) -> None:
    world.origin("files")

    out = curl(
        world, routing, "--http2", "--parallel", "--parallel-max", "20", "-w", "%{http_version}:%{size_download} ",
        "-o", f"{tmp_path}/#1", "https://files.test/random?[1-20]", timeout=120,
    )  # fmt: skip

    assert out.split() == [f"2:{RANDOM_BYTES}"] * 20
    assert len({hashlib.sha256(file.read_bytes()).digest() for file in tmp_path.iterdir()}) == 1


@job("curl", "a part of a file (`Range`)", commands=("curl", "nginx"))
def test_curl_gets_a_part(world: World, routing: Routing, tmp_path: Path) -> None:
    """From a host that no secret is for: of others nobody gets parts, each of which might hold half a secret."""
    world.origin("files")
    whole, part = tmp_path / "whole", tmp_path / "part"

    curl(world, routing, "-o", str(whole), "https://open.test/random")
    out = curl(
        world, routing, "-r", "1000000-1999999", "-w", "%{http_code}", "-o", str(part), "https://open.test/random"
    )

    assert out == "206"
    assert part.read_bytes() == whole.read_bytes()[1_000_000:2_000_000]
    world.check_route(routing, "open.test")


@job("curl", "`Expect: 100-continue`", commands=("curl",))
def test_curl_waits_to_be_told_to_go_on(world: World, routing: Routing) -> None:
    out = curl(
        world, routing, "--http1.1", "-v", "--expect100-timeout", "30", "-m", "20", "-H", "Expect: 100-continue",
        "-X", "PUT", "-d", "hello", "https://web.test/upload",
    )  # fmt: skip

    assert json.loads(out)["length"] == 5
    world.check_route(routing, "web.test")


@job("curl", "an upload of 200 MB, compared by checksum", commands=("curl",))
def test_curl_uploads_200_megabytes(world: World, routing: Routing, large_file: tuple[Path, str]) -> None:
    file, digest = large_file

    seen = json.loads(curl(world, routing, "-T", str(file), "https://web.test/upload"))

    assert seen == {"length": UPLOAD_MEGABYTES << 20, "sha256": digest, "framing": "sized"}
    world.check_route(routing, "web.test")


@job("curl", "a chunked upload", commands=("curl",))
def test_curl_uploads_in_chunks(world: World, routing: Routing, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(os.urandom(5_000_000))

    chunked = ["-H", "Transfer-Encoding: chunked"]
    seen = json.loads(curl(world, routing, "--http1.1", "-T", str(file), *chunked, "https://web.test/upload"))

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert seen == {"length": 5_000_000, "sha256": digest, "framing": "chunked"}


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file to upload, and its checksum."""
    file = tmp_path_factory.mktemp("large") / "upload"
    digest = hashlib.sha256()
    with file.open("wb") as output:
        for _ in range(UPLOAD_MEGABYTES):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            output.write(piece)
    return file, digest.hexdigest()


def h2load(world: World, *arguments: str) -> str:
    """Run h2load against a small file; it verifies no certificates."""
    world.origin("files")
    token = ["-H", f"authorization: Bearer {PROXY_TOKEN}"]
    return world.run(Routing.DNS, ["h2load", *token, *arguments, "https://files.test/small"], timeout=120).stdout


@job("h2load", "HTTP/1.1: 10,000 requests on 20 connections", commands=("h2load", "nginx"), cannot=NO_PROXIES)
def test_10_000_http1_requests_are_answered(world: World, routing: Routing) -> None:
    out = h2load(world, "--h1", "-n", "10000", "-c", "20")

    assert "10000 succeeded, 0 failed, 0 errored, 0 timeout" in out, out
    assert "status codes: 10000 2xx, 0 3xx, 0 4xx, 0 5xx" in out, out
    assert world.count_records("files.test") == 10_000


@job(
    "h2load", "HTTP/2: 10,000 requests, 100 streams at once", commands=("h2load", "nginx"), http2=True,
    cannot=NO_PROXIES,
)  # fmt: skip
def test_10_000_requests_in_100_streams_are_answered(world: World, routing: Routing) -> None:
    out = h2load(world, "-n", "10000", "-c", "1", "-m", "100")

    assert "10000 succeeded, 0 failed, 0 errored, 0 timeout" in out, out
    assert "status codes: 10000 2xx, 0 3xx, 0 4xx, 0 5xx" in out, out
    assert world.count_records("files.test") == 10_000
