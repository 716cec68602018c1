"""The origin: an nginx that every arm fetches from, over HTTP and over TLS, for as long as the run lasts."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import nginx
from bench.errors import CannotBenchmark, MeasurementFailed
from bench.setting import Setting
from bench.started_process import StartedProcess, start

# nginx listens within some 20 ms.
LISTEN_PATIENCE = 5.0


@contextmanager
def run_origin(setting: Setting, core: int | None) -> Iterator[None]:
    """Serve on the setting's ports meanwhile. Raises CannotBenchmark when nginx does not start."""
    directory = setting.directory / "origin"
    documents = directory / "documents"
    documents.mkdir(parents=True)
    nginx.write_documents(documents)
    configuration = directory / "nginx.conf"
    configuration.write_text(nginx.origin_configuration(setting, setting.origin, documents))
    cores = None if core is None else {core}
    with start(nginx.command(configuration), os.environ, directory / "output.log", cores) as process:
        _wait_until_it_listens(process, setting)
        yield


def _wait_until_it_listens(process: StartedProcess, setting: Setting) -> None:
    deadline = time.monotonic() + LISTEN_PATIENCE
    while time.monotonic() < deadline:
        try:
            process.check_alive()
        except MeasurementFailed as error:
            raise CannotBenchmark(f"the origin (nginx) {error}") from error
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", setting.origin.https)) == 0:
                return
        time.sleep(0.01)
    raise CannotBenchmark(f"the origin (nginx) does not listen after {LISTEN_PATIENCE:.0f} s")
