"""A gigabyte each way, which the proxy may not hold, and transfers that are broken off."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.clients.jobs import Routing, job
from tests.clients.origins.files_origin import SPARSE_BYTES
from tests.clients.world import World
from tests.fakes.running_proxy import PROXY_TOKEN

pytestmark = [pytest.mark.end_to_end, pytest.mark.root, pytest.mark.slow]

# Buffers of both streams, and what the allocator keeps; the transfer is 60 times as long.
MOST_GROWTH_KILOBYTES = 16 << 10
BROKEN_OFF = 5
# The connection in hand when the count is taken, and one kept for each origin.
KEPT_DESCRIPTORS = 4
TOKEN = ["-H", f"Authorization: Bearer {PROXY_TOKEN}"]


@pytest.fixture(scope="module")
def sparse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gigabyte that takes no room."""
    file = tmp_path_factory.mktemp("sparse") / "sparse"
    with file.open("wb") as sparse:
        sparse.truncate(SPARSE_BYTES)
    return file


@contextmanager
def flat_memory(world: World) -> Iterator[None]:
    """The most memory that the proxy held meanwhile is hardly more than what it held before."""
    process = Path("/proc") / str(world.proxy.process.pid)
    (process / "clear_refs").write_text("5")  # forgets the peak: proc_pid_clear_refs(5)
    before = _peak_kilobytes(process)
    yield
    growth = _peak_kilobytes(process) - before
    assert growth < MOST_GROWTH_KILOBYTES, f"grew by {growth} kB"


def _peak_kilobytes(process: Path) -> int:
    status = (process / "status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


@job("curl", "HTTP/1.1: a download of 1 GB, in constant memory", commands=("curl", "nginx"))
def test_a_download_is_not_held(world: World, routing: Routing) -> None:
    check_download(world, routing, "--http1.1")


@job("curl", "HTTP/1.1: an upload of 1 GB, in constant memory", commands=("curl", "nginx"))
def test_an_upload_is_not_held(world: World, routing: Routing, sparse_file: Path) -> None:
    check_upload(world, routing, sparse_file, "--http1.1")


@job("curl", "HTTP/2: a download of 1 GB, in constant memory", commands=("curl", "nginx"), http2=True)
def test_a_download_over_http2_is_not_held(world: World, routing: Routing) -> None:
    check_download(world, routing, "--http2")


@job("curl", "HTTP/2: an upload of 1 GB, in constant memory", commands=("curl", "nginx"), http2=True)
def test_an_upload_over_http2_is_not_held(world: World, routing: Routing, sparse_file: Path) -> None:
    check_upload(world, routing, sparse_file, "--http2")


def check_download(world: World, routing: Routing, version: str) -> None:
    world.origin("files")
    options = ["-sS", "--fail", version, "-o", "/dev/null", "-w", "%{size_download}"]

    with flat_memory(world):
        done = world.run(routing, ["curl", *options, *TOKEN, "https://files.test/sparse"], timeout=120)

    assert int(done.stdout) == SPARSE_BYTES
    world.check_route(routing, "files.test")


def check_upload(world: World, routing: Routing, file: Path, version: str) -> None:
    with flat_memory(world):
        done = world.run(
            routing, ["curl", "-sS", "--fail", version, *TOKEN, "-T", str(file), "https://web.test/upload"], timeout=120
        )

    assert json.loads(done.stdout)["length"] == SPARSE_BYTES
    world.check_route(routing, "web.test")


@job("curl", "five downloads and five uploads broken off, of which nothing is left", commands=("curl", "nginx"))
def test_transfers_that_are_broken_off_leave_nothing_behind(world: World, routing: Routing, sparse_file: Path) -> None:
    check_broken_off(world, routing, sparse_file, "--http1.1")


@job(
    "curl",
    "HTTP/2: five downloads and five uploads broken off, of which nothing is left",
    commands=("curl", "nginx"),
    http2=True,
)
def test_streams_that_are_broken_off_leave_nothing_behind(world: World, routing: Routing, sparse_file: Path) -> None:
    check_broken_off(world, routing, sparse_file, "--http2")


def check_broken_off(world: World, routing: Routing, file: Path, version: str) -> None:
    """Each has its record, and no socket stays open on either side."""
    world.origin("files")
    begun = ["curl", "-sS", version, "--max-time", "0.3", "-o", "/dev/null", *TOKEN]
    before = world.proxy.descriptors()

    for _ in range(BROKEN_OFF):
        world.run(routing, [*begun, "https://files.test/sparse"], check=False)
        world.run(routing, [*begun, "-T", str(file), "https://web.test/upload"], check=False)

    for host in ("files.test", "web.test"):
        world.wait_for_records(host, "client_cancel", BROKEN_OFF)
    assert world.proxy.descriptors() <= before + KEPT_DESCRIPTORS
