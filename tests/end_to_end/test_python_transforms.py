"""Users' transforms in the real process: what goes wrong in them is a 502 with a name, and no word of theirs."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, secrets
from tests.fakes.running_proxy import SECRETS, RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

pytestmark = pytest.mark.end_to_end

REAL = SECRETS["SEC_INJ"]
MODULE = '''
import asyncio, time
from iron_proxy.errors import TransformError
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE

class Quoting:
    """Stands behind `secrets`, sees real ones, and is careless."""

    name = "quoting"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section, context):
        self.word = section.text("word")

    async def on_request(self, exchange):
        request = exchange.request
        value = (request.headers.get(b"authorization") or b"").decode()
        if request.path == "/raise":
            raise ValueError(value)
        if request.path == "/exit":
            raise SystemExit(value)
        if request.path == "/wait":
            await asyncio.sleep(60)
        if request.path == "/block":
            time.sleep(1.1)
        return CONTINUE

    async def on_response(self, exchange):
        if exchange.request.path == "/late":
            raise KeyError(exchange.request.headers.get(b"authorization"))
        return CONTINUE
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user-transforms")
    (folder / "careless.py").write_text(MODULE)
    return folder


def quoting(**settings: Any) -> dict[str, Any]:
    config = {"class": "careless:Quoting", "deadline": "1500ms", "config": settings}
    return {"name": "python", "config": config}


@pytest.fixture
def proxy(running: Running, folder: Path) -> RunningProxy:
    return running(env={"PYTHONPATH": str(folder)}, transforms=[allowlist(), secrets(), quoting(word="x")])


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize(
    ("path", "error"),
    [("/raise", "request: ValueError"), ("/exit", "request: SystemExit"), ("/late", "response: KeyError")],
)
def test_an_exception_is_a_502_with_the_name_and_the_type(
    proxy: RunningProxy, way: Way, path: str, error: str
) -> None:
    answer = proxy.ask(way, path, host="inject.test")

    assert answer.status == 502
    assert proxy.last_record()["error"] == f"transform quoting {error}"
    assert REAL not in "".join(proxy.lines)


@pytest.mark.slow
def test_one_that_waits_too_long_is_a_502_with_its_name(proxy: RunningProxy) -> None:
    answer = proxy.ask(Way.HTTPS, "/wait", host="inject.test")

    assert answer.status == 502
    assert proxy.last_record()["error"] == "transform quoting request: took longer than 1.5 s"


@pytest.mark.slow
def test_one_that_blocks_the_loop_is_named_in_the_log(proxy: RunningProxy) -> None:
    answer = proxy.ask(Way.HTTPS, "/block", host="inject.test")

    assert answer.status == 200
    line = proxy.wait_for(lambda line: line["msg"] == "a transform blocked the event loop")
    assert (line["level"], line["transform"]) == ("WARN", "quoting")


def test_others_are_asked_as_ever(proxy: RunningProxy) -> None:
    assert proxy.ask(Way.HTTPS, host="inject.test").status == 200
