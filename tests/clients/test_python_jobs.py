"""The HTTP clients of Python: each gets, uploads with and without a length, and downloads."""

import hashlib
from typing import Any

import pytest
from tests.clients.jobs import Routing, job
from tests.clients.programs.payload import CONTENT
from tests.clients.world import World

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

WORK = "GET, sized and chunked uploads, a download of 20 MB"


def check(world: World, routing: Routing, outcome: dict[str, Any], http2: bool = False) -> None:
    """What the origin saw is what was sent, and what came back is what lies there."""
    world.check_route(routing, "web.test")
    world.check_route(routing, "files.test")
    upload = {"length": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert outcome["seen"] == {"protocol": "HTTP/1.1", "method": "GET", "host": "web.test"}
    assert outcome["sized"] == {**upload, "framing": "sized"}
    assert outcome["chunked"] == {**upload, "framing": "chunked"}
    assert outcome["file"] == world.checksum_of_file()


def run(world: World, routing: Routing, program: str, *arguments: str) -> None:
    world.origin("files")
    check(world, routing, world.run_program(routing, program, *arguments))


@job("requests", WORK, commands=("nginx",), modules=("requests", "socks"))
def test_requests(world: World, routing: Routing) -> None:
    run(world, routing, "with_requests.py")


@job("httpx", WORK, commands=("nginx",), modules=("httpx", "socksio"))
def test_httpx(world: World, routing: Routing) -> None:
    run(world, routing, "with_httpx.py")


@job("httpx", f"HTTP/2: {WORK}", commands=("nginx",), modules=("httpx", "h2", "socksio"), http2=True)
def test_httpx_over_http2(world: World, routing: Routing) -> None:
    run(world, routing, "with_httpx.py", "http2")


@job("aiohttp", WORK, commands=("nginx",), modules=("aiohttp", "aiohttp_socks"))
def test_aiohttp(world: World, routing: Routing) -> None:
    run(world, routing, "with_aiohttp.py")


@job("urllib3", WORK, commands=("nginx",), modules=("urllib3", "socks"))
def test_urllib3(world: World, routing: Routing) -> None:
    run(world, routing, "with_urllib3.py")


@job("websockets (Python)", "messages up to 1 MB, compressed", modules=("websockets", "python_socks"))
def test_websockets(world: World, routing: Routing) -> None:
    outcome = world.run_program(routing, "with_websockets.py")

    assert outcome == {"same": [True] * 4, "extensions": ["permessage-deflate"]}
    world.check_route(routing, "ws.test")


@job(
    "grpcio", "HTTP/2: all four kinds of call, trailers, an error", modules=("grpc",), http2=True,
    cannot={Routing.SOCKS5: "grpcio has no SOCKS support"},
)  # fmt: skip
def test_grpc(world: World, routing: Routing) -> None:
    world.origin("grpc")

    outcome = world.run_program(routing, "with_grpc.py")

    assert outcome == {
        "unary": "olleh",
        "downloaded": list("01234"),
        "uploaded": "4 1070001",
        "chatted": True,
        "failure": "OUT_OF_RANGE: as asked: é",
        "trailers": ["7", "7", "7"],
    }
    world.check_route(routing, "grpc.test")


@job(
    "boto3", "S3: a bucket, an upload in parts, a download, a listing", modules=("boto3", "moto", "flask_cors"),
    cannot={Routing.SOCKS5: "botocore has no SOCKS support"},
)  # fmt: skip
def test_boto3(world: World, routing: Routing) -> None:
    world.origin("aws")

    outcome = world.run_program(routing, "with_boto3.py")

    assert outcome == {"same": True, "keys": ["large", "small"]}
    world.check_route(routing, "bucket.s3.eu-west-1.amazonaws.com")
