"""What each library adds to the memory of a process that imports it, in the order in which they build on each other."""

import json
import subprocess
import sys

# What it is called, and what is imported. Each adds what those before it have not brought already.
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the interpreter", ()),
    ("asyncio and ssl, with OpenSSL", ("asyncio", "ssl")),
    ("uvloop", ("uvloop",)),
    ("msgspec", ("msgspec",)),
    ("ruamel.yaml", ("ruamel.yaml",)),
    ("RE2", ("re2",)),
    ("cryptography", ("cryptography.x509",)),
    ("dnspython", ("dns.message", "dns.asyncresolver")),
    ("prometheus_client, starlette, uvicorn", ("prometheus_client", "starlette.applications", "uvicorn")),
    ("iron-proxy", ("iron_proxy.cli.serve", "iron_proxy.runtime.assemble", "iron_proxy.management.app")),
)

_PROGRAM = """
import importlib, json, sys
def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
found = []
for name, modules in json.loads(sys.argv[1]):
    for module in modules:
        importlib.import_module(module)
    found.append([name, resident()])
print(json.dumps(found))
"""


def measure_imports() -> list[tuple[str, float]]:
    """(what, MiB that it adds), measured in a process of its own."""
    command = (sys.executable, "-c", _PROGRAM, json.dumps(_STEPS))
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return differences(json.loads(done.stdout))


def differences(resident: list[tuple[str, int]]) -> list[tuple[str, float]]:
    """From (what, KiB resident after it) to (what, MiB that it added)."""
    before = [0, *(kib for _, kib in resident)]
    return [(name, (kib - base) / 1024) for (name, kib), base in zip(resident, before, strict=False)]
