"""
A configuration for a test made complete: what it does not say is what a test wants, and not what a service wants.

No listener but a tunnel on a free port of loopback, no DNS server, no metrics; and a CA for this run. What it does say
stays as it is. Called by `running.py`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.config.loading import parse_config, read_config_file

# A run of tests takes minutes; a CA that somebody keeps a copy of is worthless by the next day.
_CA_HOURS: Final = 24
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "dns": {"enabled": False},
    "proxy": {"http_listen": "off", "https_listen": "off", "tunnel_listen": "127.0.0.1:0"},
    "metrics": {"listen": "off"},
}

Configuration = Mapping[str, Any] | Path | str


def mapping_of(configuration: Configuration) -> dict[str, Any]:
    """The mapping itself, or that of a YAML file. Raises ConfigError for a file that cannot be read as one."""
    if isinstance(configuration, Mapping):
        return dict(configuration)
    path = str(configuration)
    text = read_config_file(path).decode("utf-8-sig")
    parse_config(text, path)  # its errors name file and line
    return dict(YAML(typ="safe", pure=True).load(text) or {})


def completed(configuration: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], Path | None]:
    """
    The whole configuration, and the file of the CA's certificate; None where it terminates no TLS.

    A CA that is not configured is made and written into the folder.
    """
    whole = dict(configuration)
    for block, defaults in _DEFAULTS.items():
        said = whole.get(block) or {}
        whole[block] = {**(defaults if block != "dns" or not said else {}), **said}
    tls = dict(whole.get("tls") or {})
    if tls.get("mode") == "sni-only":
        return whole, None
    if not tls.get("ca_cert") and not tls.get("ca_key"):
        paths = CAPaths(str(folder / "ca.crt"), str(folder / "ca.key"))
        write_ca(paths, generate_ca("iron-proxy testing CA", _CA_HOURS, "p256"))
        tls |= {"ca_cert": paths.certificate, "ca_key": paths.key}
    return {**whole, "tls": tls}, Path(str(tls.get("ca_cert", "")))


def written(configuration: Mapping[str, Any], folder: Path) -> Path:
    """The configuration as a file in the folder. A JSON text is YAML, whatever a value holds."""
    path = folder / "proxy.yaml"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    return path
