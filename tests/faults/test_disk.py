"""Disks and pipes that fail in other ways than by being full (tests/end_to_end/test_audit_trail.py has that)."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Fresh
from tests.fakes.audited_proxy import AuditedProxy, names_in, records_in
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request, run_to_end
from tests.fakes.wire_client import Way


def get(proxy: RunningProxy, name: str) -> int:
    """The status of one request whose record has 8 KB and this name."""
    with proxy.open(Way.HTTP, "ok.test") as session:
        session.send(request(f"/id/{name}/{'x' * 8000}", proxy.authority(Way.HTTP, "ok.test")))
        return session.read_answer().status


def limit_files(proxy: RunningProxy, size: int) -> None:
    """No file of the process gets larger than that, in bytes."""
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_strict_a_quota_lets_nothing_through_until_it_is_raised(fresh_proxy: Fresh, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    proxy = fresh_proxy(audit={"output": "file", "file": str(path), "mode": "strict"})
    proxy.begin_test()
    limit_files(proxy, 64 * 1024)

    answered = [get(proxy, "0")]
    while answered[-1] == 200:
        answered.append(get(proxy, f"{len(answered)}"))
    arrived = len(proxy.arrived())
    told = proxy.wait_for(lambda line: line["msg"] == "audit output fails")
    limit_files(proxy, resource.RLIM_INFINITY)
    proxy.wait_for(lambda line: line["msg"] == "audit output takes records again")

    assert (answered[-1], told["reason"]) == (503, "file too large")
    assert arrived == len(answered) - 1
    assert get(proxy, "after") == 200
    assert names_in(records_in(path)) >= {*(str(number) for number in range(len(answered) - 1)), "after"}


def test_a_folder_that_is_gone_when_a_file_is_to_be_put_aside_stops_nothing(fresh_proxy: Fresh, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    audit = {"output": "both", "file": str(folder / "audit.jsonl"), "max_size": "64KiB"}
    proxy = fresh_proxy(audit=audit)
    shutil.rmtree(folder)

    statuses = {get(proxy, f"{number}") for number in range(20)}

    assert statuses == {200}
    assert proxy.get_page("/healthz") == (200, b"OK")
    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    assert len(proxy.records()) == 20  # the other output has them all


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system on which nothing can be written."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_an_audit_file_on_a_read_only_disk_stops_the_start(
    read_only: Path, tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    path = read_only / "audit.jsonl"

    ended = run_to_end(base_config(internet, proxy_ca, audit={"output": "file", "file": str(path)}), tmp_path, internet)

    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        1, f"error: audit.file: {path}: read-only file system",
    )  # fmt: skip


@pytest.mark.parametrize(("mode", "status"), [("relaxed", 200), ("strict", 503)])
def test_a_reader_of_standard_error_that_has_gone(
    mode: str, status: int, tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    config = base_config(internet, proxy_ca, audit={"mode": mode})
    proxy = AuditedProxy(config, tmp_path, internet, proxy_ca, reads=False)
    try:
        proxy.start()
        proxy.begin_test()
        forget_the_pipe(proxy)

        statuses = [get(proxy, f"{number}") for number in range(3)]

        assert statuses == [status] * 3
        assert len(proxy.arrived()) == (3 if mode == "relaxed" else 0)
        assert proxy.get_page("/healthz")[0] == 200
    finally:
        proxy.kill()


def forget_the_pipe(proxy: RunningProxy) -> None:
    """Nobody reads the process's standard error any more; what stands in the pipe's place here has ended."""
    assert proxy.process.stderr is not None
    with open("/dev/null", "rb") as ended:
        os.dup2(ended.fileno(), proxy.process.stderr.fileno())
