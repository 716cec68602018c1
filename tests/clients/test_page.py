"""The page of clients says what this run saw, and the origins refuse whoever has no secret. Runs behind the others."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.clients.conftest import PASSED
from tests.clients.jobs import Job, Routing, Row, job_of
from tests.clients.page import PAGE, cells_of, read_page, write_page
from tests.clients.world import World

VERSIONS = {
    "curl": ["curl", "--version"],
    "nghttp2": ["h2load", "--version"],
    "git": ["git", "--version"],
    "Node": ["node", "--version"],
    "npm": ["npm", "--version"],
    "Chromium": ["chromium", "--version"],
}
PACKAGES = ["requests", "httpx", "aiohttp", "urllib3", "websockets", "grpcio", "boto3", "pip"]


@pytest.mark.end_to_end
@pytest.mark.root
@pytest.mark.parametrize("routing", list(Routing), ids=lambda each: each.name.lower())
@pytest.mark.parametrize("host", ["web.test", "ws.test", "files.test", "git.test", "npm.test", "pypi.test"])
def test_origins_refuse_what_carries_no_secret(world: World, routing: Routing, host: str) -> None:
    world.origin("files")

    done = world.run(routing, ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"https://{host}/small"])

    assert done.stdout == "401"


@pytest.mark.clients_page
def test_the_page_of_clients_says_what_this_run_saw(request: pytest.FixtureRequest) -> None:
    jobs = {job.row: job for item in request.session.items if (job := job_of(item))}
    passed = request.config.stash[PASSED]
    by_row: dict[Row, set[Routing]] = defaultdict(set)
    for row, routing in passed:
        by_row[row].add(routing)
    if os.environ.get("WRITE_CLIENTS_PAGE") and whole_folder_is_collected(request.session):
        before = read_page(PAGE.read_text(encoding="utf-8"))
        cells = {cell: word for row, job in jobs.items() for cell, word in cells_of(job, by_row[row], before).items()}
        PAGE.write_text(write_page(cells, versions()), encoding="utf-8")

    page = read_page(PAGE.read_text(encoding="utf-8"))

    assert {cell: page.get(cell) for cell in passed} == dict.fromkeys(passed, "yes"), "run: make clients-page"
    assert {cell: page.get(cell) for job in jobs.values() for cell in reasons(job)} == {
        cell: word for job in jobs.values() for cell, word in reasons(job).items()
    }
    if whole_folder_is_collected(request.session):
        assert {row for row, _ in page} == set(jobs), "run: make clients-page"


def reasons(job: Job) -> dict[tuple[Row, Routing], str]:
    """The cells that are no tests."""
    return {(job.row, routing): reason for routing, reason in job.cannot.items()}


def whole_folder_is_collected(session: pytest.Session) -> bool:
    """Neither a file nor a -k has left out some of the clients."""
    option = session.config.option
    files = {item.path for item in session.items if job_of(item)}
    return files == set(Path(__file__).parent.glob("test_*_jobs.py")) and not (option.keyword or option.markexpr)


def versions() -> dict[str, str]:
    """What the clients say that they are."""
    found = {name: first_version(command) for name, command in VERSIONS.items()}
    script = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", script, *PACKAGES], capture_output=True, text=True, check=True)
    return {**found, **dict(zip(PACKAGES, done.stdout.split(), strict=True))}


def first_version(command: list[str]) -> str:
    """The first number with a dot in what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d[.\d]*", done.stdout)
    return found[0] if found else "?"
