"""
`python -m bench.profiling.counting ...`: the command `iron-proxy ...`, with its calls counted for a while.

The counting begins and ends by a timer, while somebody else sends requests; then the file that BENCH_CALLS names is
written. Times mean nothing meanwhile. A coroutine that goes on after a wait counts as called again: it costs as much.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from iron_proxy.cli.main import main

FILE_VARIABLE = "BENCH_CALLS"
# After the start, the first answer and the warm-up; the load goes on for longer than both together.
BEGINS_AFTER = 3.0
LASTS = 2.0

# File, function, and what it called where that is not Python.
Call = tuple[str, str, str]
Count = Callable[[FrameType, str, Any], None]


def counter(calls: dict[Call, int]) -> Count:
    """What `sys.setprofile` takes, to count into `calls`."""

    def count(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call":
            call = (code.co_filename, code.co_qualname, "")
        elif event == "c_call":
            call = (code.co_filename, code.co_qualname, getattr(argument, "__qualname__", str(argument)))
        else:
            return
        calls[call] = calls.get(call, 0) + 1

    return count


def count_for_a_while(path: str) -> None:
    """Have the timer begin and end it."""
    calls: dict[Call, int] = {}
    count = counter(calls)

    def switch(_signal: int, _frame: FrameType | None) -> None:
        if sys.getprofile() is None:
            sys.setprofile(count)
            return
        sys.setprofile(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        with open(path, "w") as file:
            json.dump([[*call, number] for call, number in calls.items()], file)

    signal.signal(signal.SIGALRM, switch)
    signal.setitimer(signal.ITIMER_REAL, BEGINS_AFTER, LASTS)


if __name__ == "__main__":
    count_for_a_while(os.environ[FILE_VARIABLE])
    sys.argv[0] = "iron-proxy"
    main()
