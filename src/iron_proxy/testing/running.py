"""
The real proxy as long as a `with` block: a process of its own, on free ports of loopback.

A process, and not a thread: it is what will run in production, it cannot disturb the event loop, the signals or the
environment of the program that starts it, and its end takes everything with it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from iron_proxy.demo.proxy_process import ProxyProcess
from iron_proxy.errors import StartupError
from iron_proxy.temporary_folder import open_temporary_folder

Record = dict[str, Any]
Wanted = Callable[[Record], bool]

# A record is there some milliseconds after its answer; a busy machine gets this much.
RECORD_TIMEOUT: Final = 10.0
# What an error shows of what was seen instead.
_SHOWN: Final = 10
# Shorter values stand in words that are no secret.
_SHORTEST_SECRET: Final = 4


class Proxy:
    """
    A running proxy. Made by `running`, which also ends it.

    `ca_file` is the certificate that clients have to trust; None where the configuration terminates no TLS.
    """

    def __init__(
        self, process: ProxyProcess, configuration: dict[str, Any], ca_file: Path | None, folder: Path
    ) -> None:
        self.ca_file = ca_file
        self._process = process
        self._configuration = configuration
        self._folder = folder
        self._bundle = _bundle(ca_file, folder)

    @property
    def url(self) -> str:
        """For HTTP_PROXY and HTTPS_PROXY. Raises LookupError when `proxy.tunnel_listen` is off."""
        return f"http://{self.address('tunnel')}"

    @property
    def listeners(self) -> tuple[str, ...]:
        """The names of those that run, for `address`."""
        return tuple(self._process.addresses)

    def address(self, listener: str) -> str:
        """`ip:port` of a listener: `tunnel`, `http`, `https` or `dns`. Raises LookupError for one that is off."""
        try:
            return self._process.addresses[listener]
        except KeyError:
            running = ", ".join(sorted(self._process.addresses)) or "none"
            raise LookupError(f"the proxy has no listener {listener}; running: {running}") from None

    def environment(self) -> dict[str, str]:
        """
        The variables that lead a program here and let it trust the CA, for `subprocess.run(env={**os.environ, ...})`.

        Those of `iron-proxy run`: the proxy for all names but loopback's, and the CA beside the system's roots.
        """
        from iron_proxy.jail.client_environment import client_environment

        variables = client_environment(str(self._bundle), str(self.ca_file), proxy_url=self.url)
        return variables if self.ca_file else {name: variables[name] for name in variables if "proxy" in name.lower()}

    def replace(self, **blocks: Any) -> None:
        """
        Put whole top-level blocks of the configuration in the place of the present ones: `replace(transforms=[...])`.

        The proxy reloads, and this returns when the new policy is in force. Raises ValueError for one that is refused.
        """
        from iron_proxy.testing.completion import written

        before = sum(map(_is_reload, self._process.all_records))
        written({**self._configuration, **blocks}, self._folder)
        self._process.reload()
        passed = iter(range(before))
        record = self._process.wait_for_record(
            lambda each: _is_reload(each) and next(passed, None) is None, RECORD_TIMEOUT
        )
        if record["action"] != "allow":
            raise ValueError(f"the proxy refused the configuration: {record.get('reason') or record.get('error')}")
        self._configuration |= blocks

    def records(self) -> list[Record]:
        """
        The audit records so far, requests and events, as `docs/reference/audit-log.md` has them.

        They are read from the proxy's standard error: a configuration that sends them elsewhere leaves none here.
        """
        return [record for record in self._process.all_records if record.get("msg") in ("request", "event")]

    def wait_for_record(
        self, wanted: Wanted | None = None, *, timeout: float = RECORD_TIMEOUT, **fields: Any
    ) -> Record:
        """
        The first record, of the past ones too, that has these fields: `wait_for_record(host="a.test", action="allow")`.

        `wanted` is asked besides. Raises TimeoutError, which shows the records that there are.
        """

        def fits(record: Record) -> bool:
            has_fields = all(name in record and record[name] == value for name, value in fields.items())
            return record.get("msg") in ("request", "event") and has_fields and (wanted is None or wanted(record))

        try:
            return self._process.wait_for_record(fits, timeout)
        except TimeoutError:
            raise TimeoutError(_no_such_record(fields, self.records())) from None


class AsyncProxy:
    """The same for a program with an event loop; waiting does not block it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.ca_file = proxy.ca_file
        self.url = proxy.url if "tunnel" in proxy.listeners else ""
        self.address, self.environment, self.records = proxy.address, proxy.environment, proxy.records

    async def wait_for_record(
        self, wanted: Wanted | None = None, *, timeout: float = RECORD_TIMEOUT, **fields: Any
    ) -> Record:
        """As `Proxy.wait_for_record`. `wanted` is called in another thread."""
        return await asyncio.to_thread(self._proxy.wait_for_record, wanted, timeout=timeout, **fields)


@contextmanager
def running(
    configuration: Mapping[str, Any] | Path | str, environment: Mapping[str, str] | None = None
) -> Iterator[Proxy]:
    """
    A proxy with this configuration: a mapping, or the path of a YAML file, beside which it runs then.

    What is not configured is for a test: a tunnel listener on a free port of loopback and no other, no DNS server, no
    metrics, a CA of its own. `environment` is what the configuration's secrets are read from, beside PATH and the
    like; nothing else of this process's environment is passed on but `SSL_CERT_FILE`. Takes half a second.

    Raises ConfigError for a file that is no YAML, and StartupError, with what the proxy said, when it does not start.
    """
    from iron_proxy.testing.completion import completed, mapping_of, written

    mapping = mapping_of(configuration)
    place = Path.cwd() if isinstance(configuration, Mapping) else Path(configuration).resolve().parent
    variables = {**_roots(), **(environment or {})}
    with open_temporary_folder("iron-proxy-testing-") as name:
        folder = Path(name)
        whole, ca_file = completed(mapping, folder)
        if ca_file is not None:
            ca_file = place / ca_file
        process = ProxyProcess(written(whole, folder), None, variables, place)
        with _started(process, environment or {}):
            yield Proxy(process, whole, ca_file, folder)


@asynccontextmanager
async def running_async(
    configuration: Mapping[str, Any] | Path | str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[AsyncProxy]:
    """As `running`. The start and the end happen in another thread, so that the loop goes on."""
    context = running(configuration, environment)
    proxy = await asyncio.to_thread(context.__enter__)
    try:
        yield AsyncProxy(proxy)
    finally:
        # What was raised in the block has nothing to do with the proxy: it is only to end.
        await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))


@contextmanager
def _started(process: ProxyProcess, secrets: Mapping[str, str]) -> Iterator[None]:
    try:
        process.__enter__()
    except StartupError as error:
        raise StartupError(_without(secrets, str(error))) from None
    try:
        yield
    finally:
        process.stop()


def _without(secrets: Mapping[str, str], text: str) -> str:
    """The text without the values of variables, should one have come into it."""
    for name, value in secrets.items():
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, f"<{name}>")
    return text


def _roots() -> dict[str, str]:
    return {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}


def _bundle(ca_file: Path | None, folder: Path) -> Path | None:
    from iron_proxy.jail.trust import bundle_with

    if ca_file is None:
        return None
    bundle = folder / "ca-bundle.crt"
    bundle.write_bytes(bundle_with(ca_file.read_bytes()))
    return bundle


def _is_reload(record: Record) -> bool:
    return record.get("event") == "reload"


def _no_such_record(fields: Mapping[str, Any], records: list[Record]) -> str:
    asked = ", ".join(f"{name}={value!r}" for name, value in fields.items()) or "what was asked for"
    lines = [_line(record) for record in records[-_SHOWN:]]
    return f"no record with {asked}; there are:\n" + ("\n".join(lines) or "none")


def _line(record: Record) -> str:
    names = ("event", "method", "host", "path", "action", "status_code", "reason")
    return "  " + " ".join(str(record[name]) for name in names if record.get(name) not in (None, ""))
