"""An exporter of each signal, over both protocols: where it connects to, as whom, and what keeps it from that."""

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.otlp_collector import GRPCCollector, HTTPCollector, ask_for

from iron_proxy.audit.otlp_connection import Connection, connect_otlp
from iron_proxy.audit.otlp_settings import Signal, read_otlp_settings
from iron_proxy.errors import StartupError

PROTOCOLS = pytest.mark.parametrize("kind", [HTTPCollector, GRPCCollector])
SIGNALS = pytest.mark.parametrize("signal", list(Signal), ids=lambda signal: signal.value)
ASKED = {f"OTEL_{signal.value}_EXPORTER": "otlp" for signal in Signal}


def connected(variables: dict[str, str], signal: Signal) -> Connection:
    settings = read_otlp_settings(variables, signal)
    assert settings is not None
    return connect_otlp(settings, variables, "scope")


@SIGNALS
@PROTOCOLS
def test_each_signal_has_an_exporter_that_knows_where_to(
    kind: Any, signal: Signal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kind() as collector:
        connection = connected(ask_for(monkeypatch, collector, **ASKED), signal)
        connection.exporter.shutdown()

    assert connection.scope.name == "scope"
    assert connection.resource.attributes["service.name"] == "iron-proxy"
    assert signal.value.lower().rstrip("s")[:4] in connection.exporter.__module__


def test_what_is_said_for_a_signal_goes_before_what_is_said_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPCollector() as collector:
        variables = ask_for(
            monkeypatch, collector, **ASKED, OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE="/nowhere.pem"
        )
        with pytest.raises(StartupError, match=r"creating OTLP span exporter: /nowhere.pem: no such file"):
            connected(variables, Signal.TRACES)
        connected(variables, Signal.METRICS).exporter.shutdown()


@SIGNALS
def test_without_the_extra_one_sentence_says_what_asks_for_it(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    asks = "OTEL_EXPORTER_OTLP_ENDPOINT" if signal is Signal.LOGS else f"OTEL_{signal.value}_EXPORTER"
    with pytest.raises(StartupError, match=rf"^{asks} asks .*pip install 'iron-proxy\[otel\]'"):
        connected({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.test", **ASKED}, signal)


@pytest.mark.slow
def test_nothing_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import sys, iron_proxy.runtime.serving\n"
        "names = ('opentelemetry', 'grpc', 'requests', 'prometheus_client')\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in names]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
