"""Which event loop everything runs in. Light, for those who need one before all else."""

import asyncio
from collections.abc import Callable

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:                              # uvloop has no wheel for this platform: slower, not different
    new_event_loop = asyncio.new_event_loop
