"""
HAProxy, as `examples/balancer` configures it, before three proxies that share nothing: load is spread over all of them,
one that is told to stop loses nothing, one that is killed loses what was in flight on it, and audit records add up.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.conftest import Fresh
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.waiting import wait_until
from tests.scale.balanced_load import CLIENTS, BalancedLoad

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "balancer" / "haproxy.cfg"
# HAProxy looks every 100 ms here; a machine that is slow takes its time to tell.
DRAIN_DELAY = "4s"

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


def configured(example: str, proxies: Sequence[RunningProxy], descriptor: int) -> str:
    """The example, listening on a socket that it inherits, before these proxies."""
    text = re.sub(r"(?m)^    bind .*$", f"    bind fd@{descriptor}", example).replace("inter 1s", "inter 100ms")
    text = re.sub("maxconn [0-9]+", "maxconn 200", text)         # twice as many descriptors as HAProxy may have here
    text, ports = re.subn(r" port 9090", "", text)
    for number, proxy in enumerate(proxies, 1):
        (host, port), health = proxy.addresses["tunnel"], proxy.addresses["metrics"][1]
        text, count = re.subn(rf"server proxy-{number} \S+", f"server proxy-{number} {host}:{port} port {health}", text)
        assert count == 1
    assert ports == 1
    return text


@pytest.fixture
def three(fresh_proxy: Fresh) -> list[RunningProxy]:
    return [fresh_proxy(proxy__drain_delay=DRAIN_DELAY) for _ in range(3)]


@pytest.fixture
def balancer(three: list[RunningProxy], tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Where HAProxy listens."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("haproxy is not installed")
    file = tmp_path / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0)) as listening, (tmp_path / "haproxy.log").open("wb") as log:
        file.write_text(configured(EXAMPLE.read_text(encoding="utf-8"), three, listening.fileno()))
        process = subprocess.Popen(
            [program, "-db", "-f", str(file)], pass_fds=[listening.fileno()], stdout=log, stderr=log
        )
        try:
            yield listening.getsockname()
            assert process.poll() is None, (tmp_path / "haproxy.log").read_text()
        finally:
            process.kill()
            process.wait()


def records_of(*proxies: RunningProxy) -> int:
    return sum(len(proxy.records()) for proxy in proxies)



def test_one_is_drained_and_one_is_killed(
    three: list[RunningProxy], balancer: tuple[str, int], internet: Internet
) -> None:
    drained, killed, last = three

    with BalancedLoad(balancer, internet, last.ca) as load:
        load.until(lambda: all(len(proxy.records()) >= 20 for proxy in three))
        drained.process.send_signal(signal.SIGTERM)
        load.until(lambda: drained.process.poll() is not None)
        load.until_more(50)
    assert load.failures == []
    assert drained.wait_for_exit() == 0
    wait_until(lambda: records_of(*three) >= load.answered, 10.0, pause=0.001)
    assert records_of(*three) == load.answered
    before, killed_before = records_of(*three), records_of(killed)

    with BalancedLoad(balancer, internet, last.ca) as load:
        load.until(lambda: records_of(killed) >= killed_before + 20)
        killed.process.kill()
        killed.wait_for_exit()
        load.until_more(150)
    # At most what each client had there.
    assert len(load.failures) <= CLIENTS
    wait_until(lambda: records_of(*three) - before >= load.answered - CLIENTS, 10.0, pause=0.001)
    assert records_of(*three) - before <= load.answered + len(load.failures)
