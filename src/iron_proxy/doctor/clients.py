"""
The clients that the doctor knows: how to find each, what to have it fetch, and which variables it reads.

Data and pure functions but for the search for programs. What a client answers to is in `answers.py`.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from iron_proxy.doctor import programs
from iron_proxy.doctor.answers import GO_MODULE, PACKAGE, VERSION

# The Python that a user's programs run with, which need not be the one that runs this.
PYTHON: Final = "python3"
HTTPS_PROXY_NAMES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True)
class Call:
    """One start of a client: where to, from which empty folder, and by which proxy URL, if any."""

    base: str  # https://host:port/RUN; everything below it is answered
    folder: Path
    proxy_url: str | None = None
    page: str = ""  # instead of `base`, a URL of the user's own

    @property
    def hello(self) -> str:
        """The page for clients that fetch any URL."""
        return self.page or f"{self.base}/hello"


@dataclass(frozen=True, slots=True)
class Client:
    """A kind of client. `programs` must all be on the PATH; `python_module` must be importable there."""

    name: str
    programs: tuple[str, ...]
    command: Callable[[Call], Sequence[str]]
    trust: tuple[str, ...]  # the variables that name its CA; the first that is set counts; none: system store only
    proxy: tuple[str, ...] = HTTPS_PROXY_NAMES  # those that name its proxy, likewise
    python_module: str = ""
    environment: Callable[[Call], Mapping[str, str]] = field(default=lambda call: {})
    standard_input: Callable[[Call], bytes] = field(default=lambda call: b"")
    can_fetch_any_url: bool = True
    is_told_of_proxy: bool = False  # reads no proxy variable: the command names the proxy
    loopback: str = "localhost"  # what it calls this machine
    looks_names_up: bool = False  # also those of requests that it sends to a proxy


def missing_program(client: Client, path: str | None) -> str | None:
    """The first program of a client that is not on the PATH, or None."""
    return next((program for program in client.programs if shutil.which(program, path=path) is None), None)


def _curl(call: Call) -> list[str]:
    return ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", "--output", os.devnull, call.hello]


def _wget(call: Call) -> list[str]:
    return ["wget", "-nv", "-T", "10", "-t", "1", "-O", os.devnull, call.hello]


def _git(call: Call) -> list[str]:
    return ["git", "ls-remote", f"{call.base}/project.git"]


def _openssl(call: Call) -> list[str]:
    host, port = _host_and_port(call.hello)
    proxy = ["-proxy", urlsplit(call.proxy_url).netloc] if call.proxy_url else []
    connect = ["-connect", f"{host}:{port}", "-servername", host, *proxy]
    return ["openssl", "s_client", "-quiet", "-verify_return_error", "-verify_hostname", host, *connect]


def _openssl_input(call: Call) -> bytes:
    parts = urlsplit(call.hello)
    return f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443


def _python(program: str) -> Callable[[Call], list[str]]:
    return lambda call: [PYTHON, "-c", program, call.hello]


def _pip(call: Call) -> list[str]:
    options = ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--no-deps", "--retries", "0", "-q"]
    return [PYTHON, "-m", "pip", "download", *options, "--index-url", f"{call.base}/python/", "-d", "pip", PACKAGE]


def _uv(call: Call) -> list[str]:
    options = ["--quiet", "--no-cache", "--no-deps", "--target", "uv", "--python", PYTHON]
    return ["uv", "pip", "install", *options, "--index-url", f"{call.base}/python/", PACKAGE]


def _fetch(call: Call, *, checked: bool = False) -> str:
    # A URL has neither quotes nor backslashes where it comes from.
    program = programs.FETCH.replace("URL_TO_GET", f"'{call.hello}'")
    return f"{programs.READS_PROXY_VARIABLES}{program}" if checked else program


def _node(call: Call) -> list[str]:
    return ["node", "-e", _fetch(call, checked=call.proxy_url is not None)]


def _npm(call: Call) -> list[str]:
    options = ["--fetch-retries=0", "--no-update-notifier", "--cache=npm-cache", "--loglevel=error"]
    return ["npm", "view", PACKAGE, "version", f"--registry={call.base}/npm/", *options]


def _go(call: Call) -> list[str]:
    return ["go", "list", "-m", f"{GO_MODULE}@v{VERSION}"]


def _go_environment(call: Call) -> dict[str, str]:
    return {
        "GOPROXY": f"{call.base}/go", "GOSUMDB": "off", "GOENV": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local",
        "GOPATH": str(call.folder / "go"), "GOCACHE": str(call.folder / "go-cache"), "GONOPROXY": "none",
        "GOPRIVATE": "", "GO111MODULE": "on", "GOWORK": "off",
    }  # fmt: skip


def _cargo(call: Call) -> list[str]:
    return ["cargo", "search", "--index", f"sparse+{call.base}/cargo/index/", PACKAGE]


def _java(call: Call) -> list[str]:
    source = call.folder / "Fetch.java"
    source.write_text(programs.JAVA, encoding="ascii")
    return ["java", "-XX:TieredStopAtLevel=1", str(source), call.hello]


_PYTHON_TRUST: Final = ("SSL_CERT_FILE",)

CLIENTS: Final = (
    Client("curl", ("curl",), _curl, ("CURL_CA_BUNDLE", "SSL_CERT_FILE")),
    Client("wget", ("wget",), _wget, (), ("https_proxy",)),
    Client("git", ("git",), _git, ("GIT_SSL_CAINFO",), can_fetch_any_url=False),
    Client(
        "openssl", ("openssl",), _openssl, ("SSL_CERT_FILE",), (), standard_input=_openssl_input, is_told_of_proxy=True
    ),
    Client("python", ("python3",), _python(programs.URLLIB), _PYTHON_TRUST, ("HTTPS_PROXY", "https_proxy")),
    Client(
        "requests", ("python3",), _python(programs.REQUESTS), ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        python_module="requests",
    ),
    Client("httpx", ("python3",), _python(programs.HTTPX), _PYTHON_TRUST, python_module="httpx"),
    Client(
        "pip", ("python3",), _pip, ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), python_module="pip",
        can_fetch_any_url=False,
    ),
    Client("uv", ("uv", "python3"), _uv, ("SSL_CERT_FILE",), can_fetch_any_url=False),
    Client("node", ("node",), _node, ("NODE_EXTRA_CA_CERTS",), ("HTTPS_PROXY", "https_proxy")),
    Client(
        "npm", ("npm", "node"), _npm, ("NPM_CONFIG_CAFILE", "NODE_EXTRA_CA_CERTS"), ("HTTPS_PROXY", "https_proxy"),
        can_fetch_any_url=False,
    ),
    Client(
        "go", ("go",), _go, ("SSL_CERT_FILE",), ("HTTPS_PROXY", "https_proxy"), environment=_go_environment,
        can_fetch_any_url=False,
    ),
    Client(
        "cargo", ("cargo",), _cargo, ("CARGO_HTTP_CAINFO", "SSL_CERT_FILE"),
        environment=lambda call: {"CARGO_HOME": str(call.folder / "cargo")}, can_fetch_any_url=False,
    ),
    Client(
        # It sends no server name for a name without a dot.
        "java", ("java", "javac"), _java, ("JAVA_TOOL_OPTIONS",), ("JAVA_TOOL_OPTIONS",), loopback="127.0.0.1"
    ),
    Client(
        "deno", ("deno",), lambda call: ["deno", "eval", "--no-config", _fetch(call)], ("DENO_CERT",),
        environment=lambda call: {"DENO_DIR": str(call.folder / "deno"), "DENO_NO_UPDATE_CHECK": "1"},
        looks_names_up=True,
    ),
    Client("bun", ("bun",), lambda call: ["bun", "-e", _fetch(call)], ("NODE_EXTRA_CA_CERTS",)),
)  # fmt: skip

NAMES: Final = tuple(client.name for client in CLIENTS)
