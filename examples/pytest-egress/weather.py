"""The program under test: it asks a service, and reports what it does to another one."""

import json
import urllib.error
import urllib.request


def temperature(service: str) -> float:
    """The temperature that the service tells."""
    with urllib.request.urlopen(f"{service}/now") as answer:
        value: float = json.load(answer)["temperature"]
    report("asked")
    return value


def report(what: str) -> None:
    """Tell the vendor. Nobody notices when it does not work: except the egress guard."""
    try:
        urllib.request.urlopen(f"https://telemetry.example.com/v1/{what}", timeout=5).close()
    except OSError:
        pass
