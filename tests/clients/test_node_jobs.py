"""Node's fetch and the npm package ws. What comes from npm is fetched once into the user's cache."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.clients.jobs import Routing, job
from tests.clients.world import World

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

PACKAGES = ["undici@6.29.1", "ws@8.23.0", "https-proxy-agent@7.0.6", "socks-proxy-agent@8.0.5"]
WORK = "GET, sized and chunked uploads, a download of 20 MB, events"
NODE_20 = "fetch of Node 20 reads no proxy variable and knows no SOCKS"


@pytest.fixture(scope="session")
def node_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which Node finds the packages."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iron-proxy-tests"
    folder = cache / "-".join(["node", *PACKAGES])
    if not folder.exists():
        fresh = tmp_path_factory.mktemp("node")
        command = ["npm", "install", "--prefix", str(fresh), "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("the npm registry did not answer")
        if done.returncode:
            pytest.skip(f"the npm registry cannot be reached: {done.stderr.strip()[-200:]}")
        cache.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, folder)
    return folder


def fetch(world: World, routing: Routing, *arguments: str, packages: Path | None = None) -> None:
    world.origin("files")
    environment = {"NODE_PACKAGES": str(packages)}

    outcome = world.run_program(routing, "with_fetch.mjs", *arguments, environment=environment)

    upload = {"length": 5_000_000, "sha256": outcome["sent"]}
    assert outcome["seen"] == {"protocol": "HTTP/1.1", "method": "GET", "host": "web.test"}
    assert outcome["sized"] == {**upload, "framing": "sized"}
    assert outcome["chunked"] == {**upload, "framing": "chunked"}
    assert outcome["file"] == world.checksum_of_file()
    assert outcome["events"] == "".join(f"data: {number}\n\n" for number in range(5))
    world.check_route(routing, "web.test")


@job("Node fetch", WORK, commands=("node", "nginx"), cannot={Routing.HTTPS_PROXY: NODE_20, Routing.SOCKS5: NODE_20})
def test_fetch(world: World, routing: Routing) -> None:
    fetch(world, routing)


@job(
    "Node undici", f"`EnvHttpProxyAgent`: {WORK}", commands=("node", "npm", "nginx"),
    cannot={Routing.SOCKS5: "undici 6 knows no SOCKS"},
)  # fmt: skip
def test_undici(world: World, routing: Routing, node_packages: Path) -> None:
    fetch(world, routing, "undici", packages=node_packages)


@job(
    "Node ws",
    "messages up to 1 MB, compressed; proxies by `https-proxy-agent`, `socks-proxy-agent`",
    commands=("node", "npm"),
)
def test_ws(world: World, routing: Routing, node_packages: Path) -> None:
    outcome = world.run_program(routing, "with_ws.mjs", environment={"NODE_PACKAGES": str(node_packages)})

    assert outcome == {"same": [True] * 3, "code": 1000, "extensions": "permessage-deflate"}
    world.check_route(routing, "ws.test")
