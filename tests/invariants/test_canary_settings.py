"""
The marked secrets where a configuration is unwise: what writes into the audit record stands behind `secrets`.

And where it is special: WebSocket messages that are gone through, responses that are not, bodies beyond what is held.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Fresh
from tests.fakes.canary import Finder
from tests.fakes.canary_world import TOKENS, CanaryWorld, carrying_fields, entries, environment
from tests.fakes.configurations import allowlist, base_config, secrets_of
from tests.fakes.echo_origin import EchoOrigin
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, request
from tests.fakes.wire_client import Way

RULES = [{"host": "inject.test"}]
NAMES = ["X-Secret-Env", "X-Secret-File", "X-Secret-Json", "X-Secret-Awkward", "X-Secret-Eight", "Authorization"]
ANNOTATE = {"name": "annotate", "config": {"annotations": [{"rules": RULES, "headers": NAMES}]}}


def capture(size: int) -> dict[str, Any]:
    return {"name": "body_capture", "config": {"max_request_body_bytes": size, "rules": RULES}}


class Worlds:
    """Worlds with settings of their own. What other proxies must never do (the oracles) is tried here."""

    def __init__(
        self, begin: Fresh, internet: Internet, ca: ProxyCA, marked: dict[str, bytes], finder: Finder, files: Path,
        origins: tuple[EchoOrigin, EchoOrigin],
    ) -> None:  # fmt: skip
        self._begin, self._internet, self._ca = begin, internet, ca
        self._marked, self._finder, self._files, self._origins = marked, finder, files, origins
        self.worlds: list[CanaryWorld] = []

    def start(self, *behind: dict[str, Any], replace: dict[str, Any] | None = None, **more: Any) -> CanaryWorld:
        """With transforms behind `secrets`, and with keys in every entry (`more`) or in every replacement."""
        given = entries(self._files, **more)
        for entry in given:
            if "replace" in entry:
                entry["replace"] |= replace or {}
        transforms = [allowlist(), secrets_of(*given), *behind]
        configuration = base_config(self._internet, self._ca, transforms=transforms, log={"level": "debug"})
        proxy = self._begin(configuration, env=environment(self._marked))
        self.worlds.append(CanaryWorld(proxy, *self._origins, self._finder))
        return self.worlds[-1]


@pytest.fixture
def worlds(
    fresh_proxy: Fresh, internet: Internet, proxy_ca: ProxyCA, marked: dict[str, bytes], finder: Finder,
    secret_files: Path, echo_origins: tuple[EchoOrigin, EchoOrigin],
) -> Iterator[Worlds]:  # fmt: skip
    """Every one of them is searched when the test ends."""
    started = Worlds(fresh_proxy, internet, proxy_ca, marked, finder, secret_files, echo_origins)
    yield started
    for world in started.worlds:
        world.check()


def test_fields_that_are_noted_behind_the_secrets_are_masked(worlds: Worlds) -> None:
    world = worlds.start(ANNOTATE)

    assert world.ask("/").status == 200

    assert "[masked:CANARY_ENV]" in json.dumps(world.proxy.last_record())


@pytest.mark.parametrize("size", [16_384, 1000], ids=["whole", "cut in the middle of one"])
def test_a_body_that_is_captured_behind_the_secrets_is_masked(worlds: Worlds, size: int) -> None:
    world = worlds.start(capture(size))

    assert world.ask("/").status == 200

    assert "body_capture" in world.proxy.last_record()


def test_responses_that_may_hold_them_by_choice_do_not_bring_them_into_the_log(worlds: Worlds) -> None:
    world = worlds.start(redact_responses=False)

    world.ask("/reply/json")
    answer = world.ask("/broken/field-without-a-colon")

    assert answer.status == 502
    world.forgive_received()


def test_a_body_that_is_swapped_as_it_streams(worlds: Worlds) -> None:
    """Chunked, so that its length is not known: nobody may wait for its end."""
    world = worlds.start()
    port = world.origin(Way.HTTPS).port
    pairs = [*carrying_fields(), (b"Transfer-Encoding", b"chunked")]
    fields = b"".join(b"%b: %b\r\n" % pair for pair in pairs).decode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in TOKENS["PEM"]) + b"0\r\n\r\n"
    for name in ("json", "in-single-bytes", "gzip", "trailers", "hex", "page-500"):
        with world.proxy.open(Way.HTTPS, "inject.test", port) as session:
            world.proxy.started += 1
            session.send(request(f"/reply/{name}", f"inject.test:{port}", method="POST", headers=fields) + chunks)
            answer = session.read_answer("POST")
            world.note(answer)
        assert answer.is_complete
        assert "PEM" in world.finder.names_in(world.last_arrived(Way.HTTPS).body)


def test_messages_of_a_websocket_that_is_gone_through(worlds: Worlds) -> None:
    world = worlds.start(replace={"match_websocket": True})
    port = world.origin(Way.HTTPS).port
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    lines = b"".join(b"%b: %b\r\n" % pair for pair in carrying_fields()).decode()
    with world.proxy.open(Way.HTTPS, "inject.test", port) as session:
        world.proxy.started += 1
        session.send(request("/ws", f"inject.test:{port}", headers=lines + upgrade))
        received = session.read_to_end()

    head, _, messages = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert TOKENS["JSON"] in messages
    # Injected ones are not among the tokens that a client may send: their entries have no `match_websocket`.
    assert world.finder.names_in(messages) <= {"ENV", "BASIC", "QUERY", "FILE"}
    world.forgive_received()
    assert world.finder.find(head) == []
