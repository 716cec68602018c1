"""The examination, with programs of the test's own in the place of clients."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.doctor import examination
from iron_proxy.doctor.clients import Call, Client
from iron_proxy.doctor.examination import ClientReport, Order, RunningProxy, examine, sends_to_proxy, trust_files
from iron_proxy.doctor.verdicts import WORKS, Reason, Verdict, Way
from iron_proxy.jail.trust import holds_ca

# A client that takes its CA from TEST_CA and the proxy from the usual variables.
PROGRAM = """
import os, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=os.environ.get("TEST_CA") or os.environ["SSL_CERT_FILE"])
urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)).open(sys.argv[1], timeout=10).read()
"""
FETCH = Client(
    "fetch", ("sh",), lambda call: [sys.executable, "-c", PROGRAM, call.hello], ("TEST_CA", "SSL_CERT_FILE")
)
GONE = Client("gone", ("no-such-program",), lambda call: ["no-such-program"], ())
UNSEEN = Client("unseen", ("python3",), lambda call: ["x"], (), python_module="no_such_module")
INDEX = Client("index", ("sh",), lambda call: ["false"], (), can_fetch_any_url=False)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The clients that the doctor knows."""
    return lambda *clients: monkeypatch.setattr(examination, "CLIENTS", clients)


@pytest.fixture
def ca(tmp_path: Path) -> CAPaths:
    paths = CAPaths(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))
    write_ca(paths, generate_ca("test", 24, "p256"))
    return paths


Known = Callable[..., None]
PLAIN: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.mark.slow
def test_clients_are_tried_both_ways_with_a_ca_of_this_time(known: Known) -> None:
    known(FETCH, GONE, UNSEEN)
    checkpoints: list[None] = []

    reports = examine(Order(PLAIN), lambda: checkpoints.append(None))

    assert reports == [
        ClientReport("fetch", "", {Way.ROUTED: WORKS, Way.PROXIED: WORKS}),
        ClientReport("gone", "no-such-program"),
        ClientReport("unseen", "Python package no_such_module"),
    ]
    assert len(checkpoints) == 2


@pytest.mark.slow
def test_this_environment_is_judged_with_the_ca_of_the_configuration(known: Known, ca: CAPaths, tmp_path: Path) -> None:
    known(FETCH)
    other = tmp_path / "other.crt"
    other.write_bytes(generate_ca("another", 24, "p256").certificate_pem)
    order = Order({**PLAIN, "SSL_CERT_FILE": str(other)}, (), ca, frozenset(Way), "the wiring command")

    (report,) = examine(order)

    assert report.verdicts[Way.AS_IT_IS].sentence == "does not trust the CA: the file in SSL_CERT_FILE does not hold it"
    assert report.verdicts[Way.PROXIED].works
    assert (report.works, report.repair) == (False, "the wiring command")


@pytest.mark.slow
def test_an_environment_that_is_right_needs_no_repair(known: Known, ca: CAPaths) -> None:
    known(FETCH)
    environment = {**PLAIN, "SSL_CERT_FILE": ca.certificate, "HTTPS_PROXY": "http://corporate.invalid:3128"}

    (report,) = examine(Order(environment, (), ca, frozenset((Way.AS_IT_IS, Way.PROXIED))))

    assert report.verdicts[Way.AS_IT_IS] == WORKS
    assert (report.works, report.repair) == (True, "")


@pytest.mark.slow
def test_a_client_that_would_go_past_the_proxy_is_not_started(known: Known, ca: CAPaths) -> None:
    known(FETCH)
    order = Order({**PLAIN, "http_proxy": "http://x"}, (), ca, frozenset((Way.AS_IT_IS,)))

    (report,) = examine(order)

    assert report.verdicts[Way.AS_IT_IS].sentence == "does not know of the proxy: HTTPS_PROXY is not set"


@pytest.mark.slow
def test_only_those_that_are_named_are_looked_for(known: Known) -> None:
    known(GONE, UNSEEN)

    assert [report.name for report in examine(Order(PLAIN, ("gone",)))] == ["gone"]


def test_a_proxy_that_runs_is_judged_by_the_status_of_clients(known: Known, ca: CAPaths) -> None:
    called: list[str] = []

    def command(call: Call) -> list[str]:
        called.append(call.hello)
        return ["sh", "-c", 'test "$https_proxy" = http://127.0.0.1:1 && test -s "$SSL_CERT_FILE"']

    known(Client("sh", ("sh",), command, ()), INDEX)
    running = RunningProxy("http://127.0.0.1:1", "https://example.com/", ca.certificate)

    reports = examine(Order({**PLAIN, "HTTPS_PROXY": "x"}, running_proxy=running, wiring_command="wire"))

    assert called == ["https://example.com/"] * 2
    assert reports[0].verdicts[Way.AS_IT_IS].reason is Reason.FAILED
    assert reports[0].verdicts[Way.PROXIED] == WORKS
    assert reports[0].repair == "wire"
    assert {verdict.reason for verdict in reports[1].verdicts.values()} == {Reason.UNKNOWN}


def test_what_a_checkpoint_raises_ends_everything(known: Known) -> None:
    known(FETCH)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(Order(PLAIN, running_proxy=RunningProxy("http://x", "https://x")), stop)


@pytest.mark.parametrize(
    ("environment", "ways", "answer"),
    [
        ({}, {Way.ROUTED, Way.PROXIED}, False),
        ({}, {Way.PROXIED}, True),
        ({"https_proxy": "http://x"}, {Way.ROUTED}, True),
    ],
)
def test_whether_this_environment_means_a_proxy(environment: dict[str, str], ways: set[Way], answer: bool) -> None:
    assert sends_to_proxy(Order(environment, ways=frozenset(ways))) is answer


def test_the_files_for_clients_are_made_once(ca: CAPaths, tmp_path: Path) -> None:
    bundle, certificate, store = trust_files(Path(ca.certificate), tmp_path)
    before = Path(store).stat().st_mtime_ns

    assert trust_files(Path(ca.certificate), tmp_path) == (bundle, certificate, store)
    assert Path(store).stat().st_mtime_ns == before
    assert holds_ca(bundle, Path(certificate).read_bytes())


def test_a_report_without_verdicts_does_not_work() -> None:
    assert not ClientReport("x", "x").works
    assert not ClientReport("x", "", {Way.ROUTED: Verdict(Reason.FAILED, "")}).works
    assert ClientReport("x", "", {Way.ROUTED: Verdict(Reason.FAILED, ""), Way.PROXIED: WORKS}).works
