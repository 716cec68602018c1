"""One loop from the first bind to the last record."""

import gc
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.runtime.assembled import HTTP_ONLY

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.errors import StartupError
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import ClientIdentities
from iron_proxy.runtime.process_log import start_logging
from iron_proxy.runtime.serving import serve_until_signal, settle_garbage_collector


@pytest.fixture(autouse=True)
def garbage_collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.slow
def test_collections_become_rare() -> None:
    gc.unfreeze()

    settle_garbage_collector()

    assert gc.get_threshold()[0] > 10_000
    assert gc.get_freeze_count() > 0


def test_a_signal_ends_it(process_log: LogLines) -> None:
    def write(line: bytes) -> None:
        process_log.written.append(line)
        if b'"iron-proxy starting"' in line:
            os.kill(os.getpid(), signal.SIGTERM)

    start_logging("info", write)

    serve_until_signal(HTTP_ONLY, Pipeline([]), None, ClientIdentities())

    assert process_log.messages[-2:] == ["received signal, shutting down", "iron-proxy stopped"]


def test_what_cannot_start_raises(process_log: LogLines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = ListenAddress.parse(f"127.0.0.1:{taken.getsockname()[1]}")
        config = replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, http_listen=address))

        with pytest.raises(StartupError, match=r"proxy\.http_listen"):
            serve_until_signal(config, Pipeline([]), None, ClientIdentities())
