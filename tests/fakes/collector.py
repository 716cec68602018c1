"""What is left to the garbage collector, which comes to the oldest objects hours later."""

import gc
from collections.abc import Callable


def left_to_the_collector(make_and_let_go: Callable[[], object]) -> int:
    """How many of the objects that are made, and of which no one is kept, nobody but the collector would free."""
    make_and_let_go()                        # what is made once and kept, by whatever is asked for the first time
    gc.collect()
    gc.disable()
    try:
        make_and_let_go()
        return gc.collect()
    finally:
        gc.enable()
