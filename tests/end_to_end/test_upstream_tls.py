"""The real process with `proxy.upstream_tls`: private CAs, a certificate of its own, and files that stop the start."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.conftest import Running
from tests.fakes.configurations import base_config
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import Recorder
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request, run_to_end
from tests.fakes.wire_client import Answer, Way

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

PRIVATE = trustme.CA()


@pytest.fixture(scope="module")
def private_origin(internet: Internet) -> Recorder:
    """ok.test with a certificate of a CA that the system does not know."""
    return internet.add_recorder(ALLOWED, server_context())


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    PRIVATE.issue_cert("ok.test").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The private CA, and a client's certificate of its making."""
    directory = tmp_path_factory.mktemp("upstream-tls")
    leaf = PRIVATE.issue_cert("client.test")
    PRIVATE.cert_pem.write_to_path(str(directory / "ca.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(directory / "client.pem"))
    leaf.private_key_pem.write_to_path(str(directory / "client.key"))
    return {name: str(directory / name) for name in ("ca.pem", "client.pem", "client.key")}


def ask(proxy: RunningProxy, origin: Recorder) -> Answer:
    with proxy.open(Way.CONNECT_TLS, "ok.test", origin.port) as session:
        proxy.started += 1
        session.send(request("/", f"ok.test:{origin.port}"))
        return session.read_answer()


@pytest.mark.parametrize("place", ["everywhere", "for the host", "for another", "nowhere"])
def test_a_private_ca_counts_where_it_is_named(
    running: Running, private_origin: Recorder, files: dict[str, str], place: str
) -> None:
    named: dict[str, Any] = {"ca_files": [files["ca.pem"]]}
    settings = {
        "everywhere": named,
        "for the host": {"hosts": [{"host": "ok.test", "system_roots": False, **named}]},
        "for another": {"hosts": [{"host": "other.test", **named}]},
        "nowhere": None,
    }[place]
    proxy = running(proxy__upstream_tls=settings)

    answer = ask(proxy, private_origin)

    assert answer.status == (200 if place in ("everywhere", "for the host") else 502)


@pytest.mark.parametrize("shown", [True, False], ids=["with one", "without"])
def test_an_origin_that_asks_for_a_certificate_gets_the_one_of_the_host(
    running: Running, internet: Internet, files: dict[str, str], shown: bool
) -> None:
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    PRIVATE.configure_trust(context)
    origin = internet.add_recorder(ALLOWED, context)
    entry: dict[str, Any] = {"host": "*.test", "ca_files": [files["ca.pem"]]}
    if shown:
        entry |= {"client_cert": files["client.pem"], "client_key": files["client.key"]}
    proxy = running(proxy__upstream_tls={"hosts": [entry]})

    answer = ask(proxy, origin)

    assert answer.status == (200 if shown else 502)
    assert len(origin.requests) == shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ca_files": ["MISSING"]}, "proxy.upstream_tls.ca_files"),
        ({"ca_files": ["client.key"]}, "holds no certificate in PEM form"),
        ({"client_cert": "ca.pem", "client_key": "client.key"}, "is not the key of the certificate"),
        ({"hosts": [{"host": "a.test", "ca_files": ["MISSING"]}]}, "proxy.upstream_tls.hosts[0].ca_files"),
    ],
    ids=["no file", "a key for a CA", "another key", "no file of a host"],
)
def test_a_file_that_cannot_be_used_stops_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA, files: dict[str, str], settings: dict[str, Any], words: str
) -> None:
    def with_paths(value: Any) -> Any:
        match value:
            case dict():
                return {key: with_paths(each) for key, each in value.items()}
            case list():
                return [with_paths(each) for each in value]
            case _:
                return files.get(value, value)

    config = base_config(internet, proxy_ca, proxy__upstream_tls=with_paths(settings))

    ended = run_to_end(config, tmp_path, internet)

    assert ended.returncode == 1
    assert words in ended.stderr
