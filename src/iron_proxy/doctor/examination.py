"""
The examination: each client of this machine is started in each way that is in question, then everything is judged.

Called by `cli/doctor.py`. Everything that is started is stopped again, and everything that is written is in one folder,
which is gone afterwards.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from iron_proxy.certs.generation import CAPaths
from iron_proxy.doctor.child import ChildEnd, run_child
from iron_proxy.doctor.clients import CLIENTS, PYTHON, Call, Client, missing_program
from iron_proxy.doctor.environments import as_it_is, names_a_proxy, rewired
from iron_proxy.doctor.own_proxy import OwnProxy
from iron_proxy.doctor.repairs import repair_for
from iron_proxy.doctor.verdicts import Reason, Verdict, Way, judge, judge_by_status, lacks_proxy
from iron_proxy.jail.client_environment import client_environment
from iron_proxy.jail.trust import bundle_with, java_store_with, system_roots, write_trust_file
from iron_proxy.temporary_folder import open_temporary_folder

# A look whether a Python package can be imported: it takes some 30 ms.
_LOOK_LIMIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to examine. One of `ca` and `running_proxy` decides which proxy is used; with neither, a CA is made."""

    environment: Mapping[str, str]
    only: tuple[str, ...] = ()
    ca: CAPaths | None = None        # of the configuration: a proxy of our own is started with it
    ways: frozenset[Way] = frozenset((Way.ROUTED, Way.PROXIED))
    wiring_command: str = ""
    running_proxy: "RunningProxy | None" = None


@dataclass(frozen=True, slots=True)
class RunningProxy:
    """A proxy that runs already, and a page that its rules allow. Without a CA only the environment is judged."""

    url: str
    page: str
    ca_certificate: str | None = None


@dataclass(frozen=True, slots=True)
class ClientReport:
    """One client. `absent` says what of it is not installed; then there are no verdicts."""

    name: str
    absent: str
    verdicts: Mapping[Way, Verdict] = field(default_factory=dict)
    repair: str = ""

    @property
    def works(self) -> bool:
        """As it is, where that was asked; else in one of our ways."""
        if Way.AS_IT_IS in self.verdicts:
            return self.verdicts[Way.AS_IT_IS].works
        return any(verdict.works for verdict in self.verdicts.values())


@dataclass(frozen=True, slots=True)
class _Run:
    client: Client
    way: Way
    environment: Mapping[str, str]
    proxied: bool
    end: ChildEnd | None = None
    verdict: Verdict | None = None   # known without a start
    started: datetime = datetime.max
    ended: datetime = datetime.max

    @property
    def name(self) -> str:
        """Fit for a host name."""
        return f"{self.client.name}-{self.way.name.lower().replace('_', '-')}"


def examine(order: Order, checkpoint: Callable[[], None] = lambda: None) -> list[ClientReport]:
    """
    Examine the clients; takes some seconds for each. Raises StartupError when the proxy does not start.

    `checkpoint` is called between any two starts: what it raises ends the examination where all can be undone.
    """
    with open_temporary_folder("iron-proxy-doctor-") as name:
        folder = Path(name)
        present, reports = _sort_out(order)
        if order.running_proxy is not None:
            verdicts = _ask_running(order, order.running_proxy, present, folder, checkpoint)
        else:
            verdicts = _ask_own(order, present, folder, checkpoint)
    for client in present:
        reports.append(_reported(client, verdicts[client.name], order))
    known = [client.name for client in CLIENTS]
    return sorted(reports, key=lambda report: known.index(report.name))


def _sort_out(order: Order) -> tuple[list[Client], list[ClientReport]]:
    """The clients that are here, and a report on each of the others."""
    present, absent = [], []
    path = order.environment.get("PATH")
    for client in CLIENTS:
        if order.only and client.name not in order.only:
            continue
        missing = missing_program(client, path)
        if missing is None and client.python_module and not _can_import(client.python_module, order.environment):
            missing = f"Python package {client.python_module}"
        if missing is None:
            present.append(client)
        else:
            absent.append(ClientReport(client.name, missing))
    return present, absent


def _can_import(module: str, environment: Mapping[str, str]) -> bool:
    program = shutil.which(PYTHON, path=environment.get("PATH")) or PYTHON
    look = f"import sys, importlib.util as u; sys.exit(u.find_spec({module!r}) is None)"
    try:
        done = subprocess.run(  # noqa: S603 - the user's own Python
            [program, "-c", look], env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_LOOK_LIMIT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


# --- a proxy of our own ---------------------------------------------------------------------------------------------


def _ask_own(
    order: Order, clients: Sequence[Client], folder: Path, checkpoint: Callable[[], None]
) -> dict[str, dict[Way, Verdict]]:
    done: list[_Run] = []
    with ExitStack() as parts:
        proxy = parts.enter_context(OwnProxy(folder, order.ca))
        ca_pem = Path(proxy.ca.certificate).read_bytes()
        for client in clients:
            for run in _runs_of(client, order, proxy, folder):
                checkpoint()
                done.append(run if run.verdict is not None else _started(run, proxy, folder))
    verdicts: dict[str, dict[Way, Verdict]] = {client.name: {} for client in clients}
    for run in done:
        verdicts[run.client.name][run.way] = run.verdict or _judged(run, proxy, ca_pem)
    return verdicts


def _runs_of(client: Client, order: Order, proxy: OwnProxy, folder: Path) -> Iterable[_Run]:
    if Way.AS_IT_IS in order.ways:
        proxied = sends_to_proxy(order)
        environment = as_it_is(order.environment, folder, proxy.proxy_url)
        verdict = lacks_proxy(client, environment) if proxied else None
        yield _Run(client, Way.AS_IT_IS, environment, proxied, verdict=verdict)
    files = trust_files(Path(proxy.ca.certificate), folder)
    for way in (Way.ROUTED, Way.PROXIED):
        if way in order.ways:
            proxied = way is Way.PROXIED
            variables = client_environment(*files, proxy.proxy_url if proxied else None)
            environment = rewired(order.environment, folder, variables)
            yield _Run(client, way, environment, proxied, verdict=lacks_proxy(client, environment) if proxied else None)


def sends_to_proxy(order: Order) -> bool:
    """Whether the environment as it is is meant to send traffic to a proxy; if not, it is routed there."""
    return names_a_proxy(order.environment) or Way.ROUTED not in order.ways


def trust_files(ca: Path, folder: Path) -> tuple[str, str, str]:
    """The bundle, the CA and the Java store for a CA; the first and the last are written into the folder, once."""
    bundle, store = folder / "ca-bundle.crt", folder / "ca-bundle.p12"
    if not store.exists():
        content, roots = ca.read_bytes(), system_roots()
        write_trust_file(str(bundle), bundle_with(content, roots))
        write_trust_file(str(store), java_store_with(content, roots))
    return str(bundle), str(ca), str(store)


def _started(run: _Run, proxy: OwnProxy, folder: Path) -> _Run:
    if run.proxied:
        base = proxy.proxied_url(run.name, without_name=run.client.looks_names_up)
    else:
        base = proxy.routed_url(run.name, run.client.loopback)
    started = datetime.now(UTC)
    end = _run_client(run, Call(base, _own_folder(run, folder), proxy.proxy_url if run.proxied else None))
    return _Run(run.client, run.way, run.environment, run.proxied, end, None, started, datetime.now(UTC))


def _own_folder(run: _Run, folder: Path) -> Path:
    own = folder / run.name
    own.mkdir()
    return own


def _run_client(run: _Run, call: Call) -> ChildEnd:
    environment = {**run.environment, **run.client.environment(call)}
    return run_child(run.client.command(call), environment, call.folder, run.client.standard_input(call))


def _judged(run: _Run, proxy: OwnProxy, ca_pem: bytes) -> Verdict:
    assert run.end is not None  # noqa: S101 - for the type checker: what was not started has its verdict
    evidence = proxy.evidence_of(run.name, run.started, run.ended)
    return judge(run.client, run.end, evidence, run.environment, ca_pem, proxied=run.proxied)


# --- a proxy that runs already --------------------------------------------------------------------------------------


def _ask_running(
    order: Order, running: RunningProxy, clients: Sequence[Client], folder: Path, checkpoint: Callable[[], None]
) -> dict[str, dict[Way, Verdict]]:
    verdicts: dict[str, dict[Way, Verdict]] = {}
    for client in clients:
        verdicts[client.name] = {}
        for run in _runs_to_running(client, order, running, folder):
            checkpoint()
            call = Call("", _own_folder(run, folder), running.url, running.page)
            verdict = run.verdict or lacks_proxy(client, run.environment)
            verdicts[client.name][run.way] = verdict or judge_by_status(_run_client(run, call))
    return verdicts


def _runs_to_running(client: Client, order: Order, running: RunningProxy, folder: Path) -> Iterable[_Run]:
    verdict = None
    if not client.can_fetch_any_url:
        verdict = Verdict(Reason.UNKNOWN, "not asked: it fetches no plain URL")
    environment = as_it_is(order.environment, folder, running.url)
    yield _Run(client, Way.AS_IT_IS, environment, True, verdict=verdict)
    if running.ca_certificate is not None:
        files = trust_files(Path(running.ca_certificate), folder)
        environment = rewired(order.environment, folder, client_environment(*files, running.url))
        yield _Run(client, Way.PROXIED, environment, True, verdict=verdict)


# --- the report -----------------------------------------------------------------------------------------------------


def _reported(client: Client, verdicts: Mapping[Way, Verdict], order: Order) -> ClientReport:
    report = ClientReport(client.name, "", verdicts)
    if report.works:
        return report
    ca = order.ca.certificate if order.ca is not None else "ca.crt"
    # What iron-proxy env sets: the proxy too, where there is a tunnel listener.
    proxied = order.running_proxy is not None or Way.PROXIED in order.ways
    repair = repair_for(client, verdicts, order.wiring_command, ca, proxied=proxied)
    return ClientReport(client.name, "", verdicts, repair)
