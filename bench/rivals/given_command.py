"""
A further proxy, given on the command line: `--rival 'NAME=COMMAND'`.

The command is split as a shell would and started without one. `{NAME}` in it stands for a value below;
`{config:PATH}` for a copy of that file in which the same names have been filled in.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.arm import OUTPUT_FILE, Launch
from bench.errors import MeasurementFailed
from bench.free_ports import free_ports
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, Ports, Setting
from bench.workload_names import UNARY_H2

# What may stand in braces, with its meaning; `bench/README.md` lists them.
PLACEHOLDERS: Mapping[str, str] = {
    "http_port": "where to listen for plain HTTP, on 127.0.0.1",
    "https_port": "where to listen for TLS",
    "h2_port": "where to listen for TLS with HTTP/2 to the origin; without it that workload is left out",
    "origin_http_port": "the origin's port for plain HTTP, on 127.0.0.1",
    "origin_https_port": "for TLS with HTTP/1.1",
    "origin_h2_port": "for TLS with HTTP/2",
    "host": "the name in the origin's certificate and in every Host header",
    "ca": "PEM file of the CA of the origin's certificate; SSL_CERT_FILE names it too",
    "ca_key": "its key, for a proxy that signs leaves",
    "leaf": "PEM file of a certificate to show to clients",
    "leaf_key": "its key",
    "proxy_token": "what clients send as the bearer token",
    "secret": "what the origin wants instead; BENCH_SECRET holds it too",
    "log": "where to write a line per request, counted while it warms up",
    "output_log": "nothing; says that a line per request goes to standard output or error",
    "directory": "a folder of its own",
    "spare_port": "a free port for whatever else it needs",
    "spare_port_2": "and one more",
}
_IN_BRACES = re.compile(r"\{([a-z][a-z0-9_]*)(?::([^{}]+))?\}")


class GivenCommand:
    """Any program that can be told where to listen, whom to trust and what to put in `Authorization`."""

    credential = PROXY_TOKEN
    processes = 1

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self.title = name
        self._command = command
        self._words = shlex.split(command)
        # Not the command itself: a report has no use for the paths of the machine that it comes from.
        self.does = f"Given on the command line: `{Path(self._words[0]).name}`, with arguments and files of its own."
        speaks_h2 = "h2_port" in self._names()
        self.cannot: dict[str, str] = {} if speaks_h2 else {UNARY_H2: "its command does not mention {h2_port}"}

    def missing(self) -> str | None:
        if shutil.which(self._words[0]) is None:
            return f"{self._words[0]} is not installed, or not a program"
        unreadable = [path for path in self._config_files() if not os.access(path, os.R_OK)]
        return f"{unreadable[0]} cannot be read" if unreadable else None

    def version(self) -> str:
        return ""  # there is no option for it that every program has

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        http, https, h2, spare, spare_2 = free_ports(5)
        log = directory / "access.log"
        values = _values(setting, Ports(http, https, h2), directory) | {
            "log": str(log), "output_log": "", "spare_port": str(spare), "spare_port_2": str(spare_2),
        }  # fmt: skip
        command = tuple(word for part in self._words if (word := fill_in(part, values, directory)))
        environment = os.environ | {"SSL_CERT_FILE": str(setting.certificates.ca), "BENCH_SECRET": REAL_SECRET}
        return Launch(Ports(http, https, h2), command, environment, self._log(log, directory))

    def _log(self, log: Path, directory: Path) -> Path | None:
        names = self._names()
        if "log" in names:
            log.touch()
            return log
        return directory / OUTPUT_FILE if "output_log" in names else None

    def _names(self) -> set[str]:
        texts = [self._command, *(Path(path).read_text() for path in self._config_files() if os.access(path, os.R_OK))]
        return {name for text in texts for name, _ in _IN_BRACES.findall(text) if name in PLACEHOLDERS}

    def _config_files(self) -> list[str]:
        return [path for word in self._words for name, path in _IN_BRACES.findall(word) if name == "config" and path]


def parse_rival(text: str) -> GivenCommand:
    """
    `NAME=COMMAND` as an arm.

    Raises ValueError, with the remedy, for text without a name or command, or with a placeholder that is not known.
    """
    name, equals, command = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,30}", name):
        raise ValueError(f"{text!r}: write NAME=COMMAND, the name in small letters, digits, '.', '_' and '-'")
    if not shlex.split(command):
        raise ValueError(f"{name}: the command behind the '=' is empty")
    unknown = [found for found, path in _IN_BRACES.findall(command) if found not in PLACEHOLDERS and not path]
    if unknown:
        raise ValueError(f"{name}: {{{unknown[0]}}} is none of {', '.join(PLACEHOLDERS)}, config:PATH")
    return GivenCommand(name, command)


def fill_in(text: str, values: Mapping[str, str], directory: Path) -> str:
    """Put the values in place of their names. What else stands in braces is the program's own and stays."""

    def value(match: re.Match[str]) -> str:
        name, path = match.groups()
        if name == "config" and path:
            return str(_copy_filled_in(Path(path), values, directory))
        return values.get(name, match.group())

    return _IN_BRACES.sub(value, text)


def _copy_filled_in(template: Path, values: Mapping[str, str], directory: Path) -> Path:
    try:
        text = template.read_text()
    except OSError as error:
        raise MeasurementFailed(f"{template} cannot be read: {error.strerror}") from error
    copy = directory / template.name
    copy.write_text(_IN_BRACES.sub(lambda match: values.get(match[1], match[0]), text))
    return copy


def _values(setting: Setting, ports: Ports, directory: Path) -> dict[str, str]:
    files, origin = setting.certificates, setting.origin
    listening = {f"{scheme}_port": str(ports.of(scheme)) for scheme in ("http", "https", "h2")}
    origins = {f"origin_{scheme}_port": str(origin.of(scheme)) for scheme in ("http", "https", "h2")}
    paths = {"ca": files.ca, "ca_key": files.ca_key, "leaf": files.leaf, "leaf_key": files.leaf_key}
    others = {"host": HOST, "proxy_token": PROXY_TOKEN, "secret": REAL_SECRET, "directory": str(directory)}
    return listening | origins | {name: str(path) for name, path in paths.items()} | others
