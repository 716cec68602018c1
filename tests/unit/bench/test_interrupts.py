import signal
import subprocess
import sys

SCRIPT = """
import os, signal
from bench import interrupts
interrupts.install()
try:
    try:
        with interrupts.held():
            os.kill(os.getpid(), signal.{signal})
            print("begun", flush=True)
        print("never", flush=True)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        print("cleaned", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def run(name: str) -> list[str]:
    script = [sys.executable, "-c", SCRIPT.format(signal=name)]
    return subprocess.run(script, capture_output=True, text=True, timeout=20, check=True).stdout.split()


def test_a_signal_takes_effect_after_the_held_block_and_a_second_one_does_not_disturb_cleaning_up() -> None:
    expected = ["begun", "cleaned", "interrupted"]

    assert run(signal.SIGINT.name) == expected
    assert run(signal.SIGTERM.name) == expected
