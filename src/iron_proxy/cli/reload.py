"""
`iron-proxy reload`: tell a running proxy to read its configuration again, through its management API.

Where that listens and what its key is stands in the same configuration; the proxy reads its own file, not the one that
is named here. The exit status is 0 when the new configuration is in force, 2 when it was refused, 1 when nobody could
be asked. Called by `cli/main.py`.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.config.loading import examine_config
from iron_proxy.config.schema import ManagementConfig
from iron_proxy.errors import ConfigError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

FLAGS = FlagSet(
    "reload",
    [
        Flag("config", "", "the YAML file that says where the management API is, and where its key", "FILE"),
        Flag("url", "", "where the management API is instead, such as http://127.0.0.1:9092", "URL"),
        Flag("key-file", "", "a file with the key, instead of where the configuration says", "FILE"),
    ],
)
# Longer than the proxy gives itself to read.
_SECONDS = 90.0
_MAX_ANSWER_BYTES = 1024 * 1024
_THIS_MACHINE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


class _Place(NamedTuple):
    is_tls: bool
    host: str
    port: int | None
    path: str


class _CannotAsk(Exception):
    """A sentence, and the exit status."""

    def __init__(self, message: str, status: int = FAILURE) -> None:
        super().__init__(message)
        self.status = status


def run(arguments: list[str]) -> int:
    """Ask for a reload; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; the file is given as: -config FILE")
    if isinstance(flags, int):
        return flags
    try:
        management = _management(flags.text("config"))
        place = _place(flags, management)
        status, answer, generation = _ask(place, _key(flags, management))
    except _CannotAsk as error:
        return complain(error, status=error.status)
    return _tell(status, answer, generation)


def _management(path: str) -> ManagementConfig:
    if not path:
        return ManagementConfig()
    try:
        config, _ = examine_config(path, os.environ)             # whatever else is wrong, the proxy will tell
    except ConfigError as error:
        raise _CannotAsk(error.problems[0], USAGE) from error
    return config.management


def _place(flags: ParsedFlags, management: ManagementConfig) -> _Place:
    url = flags.text("url")
    if not url:
        listen = management.listen
        if listen is None or not listen.port:
            raise _CannotAsk("no management.listen with a port is configured; name the place: -url URL", USAGE)
        return _Place(False, _THIS_MACHINE.get(listen.host, listen.host), listen.port, "")
    refusal = _CannotAsk("-url: write http://host:port", USAGE)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise refusal from None
    if host is None or parts.scheme not in ("http", "https") or parts.username is not None:
        raise refusal
    return _Place(parts.scheme == "https", host, port, parts.path.rstrip("/"))


def _key(flags: ParsedFlags, management: ManagementConfig) -> str:
    path = flags.text("key-file") or management.api_key_file
    try:
        key = os.environ.get(management.api_key_env, "")
        if path:
            with open(path, encoding="ascii") as file:
                key = file.read(4097).rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "holds no key"
        raise _CannotAsk(f"{path}: {reason.lower()}", USAGE) from error
    if not key or not key.isascii() or not key.isprintable():
        name = path or f"the variable {management.api_key_env}"
        raise _CannotAsk(f"{name} holds no key; see management.api_key_env, or -key-file", USAGE)
    return key


def _ask(place: _Place, key: str) -> tuple[int, dict[str, Any], str]:
    kind = HTTPSConnection if place.is_tls else HTTPConnection
    connection = kind(place.host, place.port, timeout=_SECONDS)
    try:
        connection.request("POST", f"{place.path}/v1/reload", headers={"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, _content(response), response.getheader("Iron-Proxy-Generation") or ""
    except (OSError, HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise _CannotAsk(f"{place.host}:{place.port}: {reason.lower()}") from error
    finally:
        connection.close()


def _content(response: HTTPResponse) -> dict[str, Any]:
    try:
        content = json.loads(response.read(_MAX_ANSWER_BYTES))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _tell(status: int, answer: dict[str, Any], generation: str) -> int:
    if status == 200 and answer.get("status") == "ok":
        print(f"reloaded: policy generation {generation}" if generation else "reloaded")
        for left in answer.get("not_reloaded", ()):
            print(f"not reloaded: {left['key']}: {left['reason']}", file=sys.stderr)
        for warning in answer.get("warnings", ()):
            print(f"warning: {warning}", file=sys.stderr)
        return OK
    for problem in answer.get("problems") or [answer.get("error", "the answer is none of a management API")]:
        print(f"error: {problem}", file=sys.stderr)
    if status == 422:
        print("nothing has changed: the proxy goes on with its former configuration", file=sys.stderr)
        return USAGE
    print(f"the proxy answered {status}", file=sys.stderr)
    return FAILURE
