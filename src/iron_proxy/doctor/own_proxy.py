"""
The proxy that the doctor starts: the real program, on free ports of loopback, with the CA that is in question.

It answers everything itself (`answers.py`) and connects to nobody. What it wrote about each run of a client is the
evidence that `verdicts.py` judges: records are read once it has stopped, when none can be missing.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.demo.proxy_process import ProxyProcess

# For a run by HTTPS_PROXY. RFC 2606 reserves the ending: nobody has this name, and only a client that goes past the
# proxy would look it up.
DOMAIN: Final = "iron-proxy-doctor.invalid"
# The same for a client that looks names up which it sends to a proxy. RFC 5737 reserves it.
ADDRESS: Final = "192.0.2.1"
# A run takes seconds; a CA that somebody keeps a copy of is worthless by the next day.
_CA_HOURS: Final = 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the proxy saw of one run of a client."""

    was_tunnelled: bool  # it asked for a tunnel
    broke_off_tls: bool  # a handshake was broken off while it ran
    was_served: bool     # a request came, inside of TLS, and was answered


class OwnProxy:
    """A context manager: entering starts it, leaving stops it. `evidence_of` is for afterwards."""

    def __init__(self, folder: Path, ca: CAPaths | None = None) -> None:
        """With no CA given, one is made in the folder, for this time only."""
        self.ca = _throw_away_ca(folder) if ca is None else ca
        configuration = folder / "proxy.yaml"
        configuration.write_text(configuration_text(self.ca), encoding="utf-8", errors="surrogateescape")
        self._process = ProxyProcess(configuration, Path(self.ca.certificate), {})

    def __enter__(self) -> Self:
        """Raises StartupError, with the proxy's last words."""
        self._process.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    @property
    def proxy_url(self) -> str:
        """Its URL for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._process.port('tunnel')}"

    def proxied_url(self, run: str, *, without_name: bool = False) -> str:
        """Below which a run that goes by the tunnel asks."""
        return f"https://{ADDRESS if without_name else f'{run}.{DOMAIN}'}/{run}"

    def routed_url(self, run: str, loopback: str) -> str:
        """Below which a run asks whose DNS would lead to the proxy: straight to the HTTPS listener."""
        return f"https://{loopback}:{self._process.port('https')}/{run}"

    def evidence_of(self, run: str, started: datetime, ended: datetime) -> Evidence:
        """What was written about a run. Runs do not overlap, so a handshake is told by its time."""
        return evidence_in([_parsed(line) for line in self._process.log], run, started, ended)


def evidence_in(records: list[dict[str, Any]], run: str, started: datetime, ended: datetime) -> Evidence:
    """The evidence in the records of a proxy."""
    requests = [record for record in records if record.get("msg") == "request"]

    def is_in_time(record: dict[str, Any]) -> bool:
        return started <= datetime.fromisoformat(record["time"]) <= ended

    return Evidence(
        was_tunnelled=any(
            each["host"].startswith(f"{run}.{DOMAIN}") or (each["host"].startswith(ADDRESS) and is_in_time(each))
            for each in requests
            if each["method"] == "CONNECT"
        ),
        broke_off_tls=any(record.get("event") in ("handshake", "tunnel") and is_in_time(record) for record in records),
        was_served=any(each["path"].startswith(f"/{run}/") and each["status_code"] == 200 for each in requests),
    )  # fmt: skip


def configuration_text(ca: CAPaths) -> str:
    """The proxy.yaml of the doctor. A JSON text is YAML, whatever a path holds."""
    certificate, key = json.dumps(ca.certificate), json.dumps(ca.key)
    return f"""\
dns:
  listen: "127.0.0.1:0"
  proxy_ip: "127.0.0.1"
  upstream_resolver: "127.0.0.1:53"    # never asked
proxy:
  http_listen: "127.0.0.1:0"
  https_listen: "127.0.0.1:0"
  tunnel_listen: "127.0.0.1:0"
tls:
  ca_cert: {certificate}
  ca_key: {key}
metrics:
  listen: "off"
transforms:
  - name: allowlist
    config:
      domains: ["*.{DOMAIN}", "localhost"]
      cidrs: ["127.0.0.1/32", "{ADDRESS}/32"]
  - name: python
    config:
      class: "iron_proxy.doctor.answers:DoctorAnswers"
"""


def _throw_away_ca(folder: Path) -> CAPaths:
    paths = CAPaths(str(folder / "ca.crt"), str(folder / "ca.key"))
    write_ca(paths, generate_ca("iron-proxy doctor CA", _CA_HOURS, "p256"))
    return paths


def _parsed(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
