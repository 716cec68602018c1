"""One process, one loop: assemble inside it, then run to the end."""

import asyncio
import gc
from collections.abc import Callable

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.config.schema import Config
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import ClientIdentities
from iron_proxy.runtime.assemble import assemble
from iron_proxy.runtime.lifecycle import Lifecycle

try:
    import uvloop

    _new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:                              # uvloop has no wheel for this platform: slower, not different
    _new_loop = asyncio.new_event_loop


def settle_garbage_collector() -> None:
    """
    Make collections rare: what start-up made stays for good, and an exchange leaves no cycles behind.

    The default looks around after every 700 objects more than were freed, which under load is all the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def serve_until_signal(config: Config, pipeline: Pipeline, ca_files: CAFiles | None, clients: ClientIdentities) -> None:
    """Run the proxy. Raises StartupError when it cannot start."""

    async def serve() -> None:
        settle_garbage_collector()
        await Lifecycle(assemble(config, pipeline, ca_files, clients)).run()

    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(serve())
