"""What developers' programs do all day: git, pip, uv and npm; and a browser."""

import json
import os
from pathlib import Path

import pytest
from tests.clients.jobs import Routing, job
from tests.clients.world import TUNNEL, World
from tests.fakes.running_proxy import PROXY_TOKEN

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

IDENTITY = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "init.defaultBranch=main"]


@job("git", "clone and push, 3 MB in chunks; the token as a password", commands=("git",))
def test_git_pushes_and_clones(world: World, routing: Routing, tmp_path: Path) -> None:
    address = f"https://x:{PROXY_TOKEN}@git.test/project.git"
    branch = f"refs/heads/{routing.name.lower()}"
    content = os.urandom(3_000_000)

    def git(*arguments: str) -> None:
        world.run(routing, ["git", *IDENTITY, *arguments], cwd=tmp_path)

    git("init", "-q", "first")
    (tmp_path / "first" / "file").write_bytes(content)
    git("-C", "first", "add", "file")
    git("-C", "first", "commit", "-q", "-m", "one")
    git("-C", "first", "push", "-q", address, f"HEAD:{branch}")
    git("clone", "-q", "--branch", routing.name.lower(), address, "second")

    assert (tmp_path / "second" / "file").read_bytes() == content
    world.check_route(routing, "git.test")


@job("pip", "install from an index; the token as a password", modules=("pip", "socks"))
def test_pip_installs(world: World, routing: Routing, tmp_path: Path) -> None:
    index = f"https://x:{PROXY_TOKEN}@pypi.test/simple/"
    options = ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--no-deps", "--target", str(tmp_path)]

    world.run(routing, [world.python, "-m", "pip", "install", *options, "--index-url", index, "tinywheel"])

    assert (tmp_path / "tinywheel.py").read_text().startswith('NAME = "tinywheel"\n')
    world.check_route(routing, "pypi.test")


@job("uv", "install from an index; the token as a password (rustls)", modules=("uv",))
def test_uv_installs(world: World, routing: Routing, tmp_path: Path) -> None:
    index = f"https://x:{PROXY_TOKEN}@pypi.test/simple/"
    options = ["--quiet", "--no-cache", "--no-deps", "--target", str(tmp_path), "--python", world.python]

    world.run(routing, [world.python, "-m", "uv", "pip", "install", *options, "--index-url", index, "tinywheel"])

    assert (tmp_path / "tinywheel.py").read_text().startswith('NAME = "tinywheel"\n')
    world.check_route(routing, "pypi.test")


@job("npm", "install from a registry; the token as `_authToken`", commands=("npm",))
def test_npm_installs(world: World, routing: Routing, tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text(f"registry=https://npm.test/\n//npm.test/:_authToken={PROXY_TOKEN}\n")
    (tmp_path / "package.json").write_text("{}")
    options = [
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--cache",
        str(tmp_path / "cache"),
        "--fetch-retries=0",
    ]
    proxy = [f"--https-proxy=socks5h://{TUNNEL}"] if routing is Routing.SOCKS5 else []

    world.run(routing, ["npm", "install", *options, *proxy, "tiny-package"], cwd=tmp_path)

    assert (tmp_path / "node_modules" / "tiny-package" / "index.js").stat().st_size == 500_000 + 50_000
    world.check_route(routing, "npm.test")


@pytest.fixture
def profile(world: World, tmp_path: Path) -> Path:
    """A home whose NSS database trusts the proxy's CA: where Chromium looks on Linux."""
    database = tmp_path / ".pki" / "nssdb"
    database.mkdir(parents=True)
    for arguments in (
        ["-N", "--empty-password"],
        ["-A", "-t", "C,,", "-n", "iron-proxy", "-i", str(world.ca.certificate)],
    ):
        world.run(Routing.DNS, ["certutil", "-d", f"sql:{database}", *arguments])
    return tmp_path


@job("Chromium", "a page with fetch, an upload, WebSocket and EventSource", commands=("chromium", "certutil"))
def test_chromium_runs_a_page(world: World, routing: Routing, profile: Path) -> None:
    origin = world.origin("web")
    proxies = {Routing.HTTPS_PROXY: f"http://{TUNNEL}", Routing.SOCKS5: f"socks5://{TUNNEL}"}
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}/data"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
    if routing in proxies:
        options.append(f"--proxy-server={proxies[routing]}")
    start = len(origin.reports)

    with world.running(
        routing, ["chromium", *options, f"https://page.test/?key={PROXY_TOKEN}"], {"HOME": str(profile)}
    ):
        try:
            seen = origin.wait_for("report", start, 30)["report"]
        except AssertionError:
            raise AssertionError((world.directory / "running.log").read_text()[-3000:]) from None

    assert seen["uploaded"]["length"] == 3_000_000, json.dumps(seen)
    assert seen["fetched"]["host"] == "page.test"
    assert seen["events"] == list("01234")
    assert seen["echoed"] is True
    for host in ("page.test", "ws.test"):
        world.check_route(routing, host)
