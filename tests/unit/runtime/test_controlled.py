"""The process as the management API sees it."""

import asyncio
import json

from tests.fakes.log_lines import LogLines
from tests.unit.runtime.assembled import EVERYTHING, assembled

from iron_proxy.management.control import Control
from iron_proxy.runtime.controlled import ControlledProcess
from iron_proxy.runtime.lifecycle import Lifecycle
from iron_proxy.runtime.policy_reading import Origin, Source
from iron_proxy.runtime.reload import Reloader


async def test_status_tells_what_runs(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)
    lifecycle = Lifecycle(assembly, takes_signals=False)
    running = asyncio.get_running_loop().create_task(lifecycle.run())
    await lifecycle.serving.wait()
    assert lifecycle._parts is not None
    reloader = Reloader(Source(Origin("f", {}), EVERYTHING, None, b"digest"), assembly, lifecycle._parts)
    control: Control = ControlledProcess(assembly, lifecycle._parts, reloader, "f")

    told = json.loads(json.dumps(await control.status()))
    lifecycle.request_stop()
    await running

    assert (told["config"], told["generation"], told["last_reload"]) == ("f", 1, None)
    assert sorted(told["listeners"]) == ["dns", "http", "https", "metrics", "tunnel"]
    assert told["audit"]["is_strict"] is False
    assert control.services is assembly.services
    assert (control.config, control.key_digest()) == (EVERYTHING, b"digest")
