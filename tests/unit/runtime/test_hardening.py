import subprocess
import sys

from tests.fakes.namespaces import SOURCE

CODE = f"""
import ctypes, resource, subprocess, sys
sys.path.append({str(SOURCE)!r})
from iron_proxy.runtime.hardening import harden_process
before = resource.getrlimit(resource.RLIMIT_CORE)
former = harden_process()
print(former == before, resource.getrlimit(resource.RLIMIT_CORE) == (0, before[1]))
print(ctypes.CDLL(None).prctl(3), flush=True)
subprocess.run([sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).prctl(3))"], check=True)
"""


def test_no_core_and_no_looking_into_this_process_but_into_what_it_starts() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", CODE], capture_output=True, text=True, check=True, timeout=20)

    assert done.stdout.split("\n")[:3] == ["True True", "0", "1"]
