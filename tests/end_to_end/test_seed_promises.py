"""One test for each promise of the project's description, with its own YAML, against the real process."""

import base64
import hashlib
import json
import ssl
from datetime import UTC, datetime, timedelta

import dns.message
import dns.query
import pytest
from cryptography import x509
from tests.conftest import Running
from tests.end_to_end.seed_yaml import ANNOTATE, COMPOSE, FULL_SHAPE
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import Recorder
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, TLS_WAYS, TunnelRefused, Way, connect, way_id

pytestmark = pytest.mark.end_to_end

ON_LOOPBACK = {
    "IRON_DNS_LISTEN": "127.0.0.1:0",
    "IRON_PROXY_HTTP_LISTEN": "127.0.0.1:0",
    "IRON_PROXY_HTTPS_LISTEN": "127.0.0.1:0",
    "IRON_PROXY_TUNNEL_LISTEN": "127.0.0.1:0",
    "IRON_METRICS_LISTEN": "127.0.0.1:0",
    "OPENAI_API_KEY": "sk-real-openai-key-do-not-share",
    "INTERNAL_TOKEN": "real-internal-secret-value",
}

HOSTS = ("api.openai.com", "api.anthropic.com", "anthropic.com", "httpbin.org", "icanhazip.com", "example.com")


class World:
    """The description's hosts, all on one origin, and a way to start the proxy with a text of YAML."""

    def __init__(self, running: Running, internet: Internet, ca: ProxyCA, origin: Recorder) -> None:
        self._running, self._internet, self._ca = running, internet, ca
        self.origin = origin

    def proxy(self, yaml: str, **environment: str) -> RunningProxy:
        for name, path in (("ca.crt", self._ca.certificate), ("ca.key", self._ca.key)):
            yaml = yaml.replace(f"/etc/iron-proxy/{name}", str(path))
        # The origins of the tests are on loopback, which the built-in list would deny.
        yaml = yaml.replace("\nproxy:\n", "\nproxy:\n  upstream_deny_cidrs: []\n", 1)
        resolver = {"IRON_DNS_UPSTREAM_RESOLVER": self._internet.dns.address}
        proxy = self._running(yaml, env={**ON_LOOPBACK, **resolver, **environment})
        proxy.secrets = [ON_LOOPBACK["OPENAI_API_KEY"], ON_LOOPBACK["INTERNAL_TOKEN"]]
        return proxy

    def ask(self, proxy: RunningProxy, url: str, *, way: Way = Way.HTTPS, **parts: object) -> int:
        """`https://HOST/PATH`, as a client would ask for it; the status."""
        host, _, path = url.removeprefix("https://").partition("/")
        with proxy.open(way, host, self.origin.port) as session:
            proxy.started += 1
            session.send(request(f"/{path}", f"{host}:{self.origin.port}", **parts))  # type: ignore[arg-type]  # as given
            return session.read_answer(str(parts.get("method", "GET"))).status


@pytest.fixture(scope="module")
def origin(internet: Internet) -> Recorder:
    for host in HOSTS:
        internet.dns.entries[host] = [ALLOWED]
    internet.dns.entries["*.internal.corp"] = ["10.8.8.8"]
    return internet.add_recorder(ALLOWED, internet.server_context(*HOSTS))


@pytest.fixture
def world(running: Running, internet: Internet, proxy_ca: ProxyCA, origin: Recorder) -> World:
    return World(running, internet, proxy_ca, origin)


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_default_deny_everything_that_is_not_listed_gets_a_403(world: World, way: Way) -> None:
    proxy = world.proxy(COMPOSE)

    try:
        status = world.ask(proxy, "https://example.com/", way=way)
    except TunnelRefused as refused:
        status = {2: 403}.get(refused.code, refused.code)

    assert status == 403
    assert proxy.arrived() == []


def test_a_wildcard_matches_any_subdomain_and_the_domain_itself(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE)

    statuses = [world.ask(proxy, f"https://{host}/") for host in ("api.anthropic.com", "anthropic.com", "example.com")]

    assert statuses == [200, 200, 403]


def test_warn_mode_lets_through_what_would_be_rejected_and_annotates_it(world: World) -> None:
    proxy = world.proxy(COMPOSE.replace("    config:\n      domains", "    config:\n      warn: true\n      domains"))

    assert world.ask(proxy, "https://example.com/") == 200

    trace = proxy.last_record()["request_transforms"][0]
    assert trace["name"] == "allowlist"
    assert trace["annotations"]["action"] == "warn"


def test_annotate_puts_named_headers_into_the_record_and_never_rejects(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE.replace("          require: true\n", "").replace("\nlog:", f"{ANNOTATE}\nlog:"))

    headers = "x-request-id: abc-1\r\n"
    seen = []
    for url, method in (
        ("https://api.openai.com/v1/chat", "POST"), ("https://api.openai.com/v1/chat", "GET"),
        ("https://api.openai.com/other", "POST"), ("https://api.anthropic.com/x", "GET"),
    ):  # fmt: skip
        assert world.ask(proxy, url, method=method, headers=headers) == 200
        seen.append(proxy.last_record()["request_transforms"][-1].get("annotations"))

    noted = {"header:X-Request-Id": "abc-1"}
    assert seen == [noted, None, None, noted]


def test_the_five_requests_of_the_docker_compose_example_behave_as_described(world: World, origin: Recorder) -> None:
    proxy = world.proxy(COMPOSE)
    start = len(origin.requests)
    real_key, real_token = ON_LOOPBACK["OPENAI_API_KEY"].encode(), ON_LOOPBACK["INTERNAL_TOKEN"].encode()

    statuses = [
        world.ask(proxy, "https://httpbin.org/get"),
        world.ask(proxy, "https://example.com/"),
        world.ask(proxy, "https://httpbin.org/headers", headers="Authorization: Bearer proxy-openai-abc123\r\n"),
        world.ask(proxy, "https://httpbin.org/headers", headers="X-Internal: proxy-internal-tok\r\n"),
        world.ask(proxy, "https://httpbin.org/get?token=proxy-openai-abc123&q=hello"),
    ]

    assert statuses == [200, 403, 200, 200, 200]
    _, header, custom, query = origin.requests[start:]
    assert header.get_all(b"authorization") == [b"Bearer " + real_key]
    assert custom.get_all(b"x-internal") == [real_token]
    assert query.path == f"/get?token={real_key.decode()}&q=hello"


def test_the_audit_entry_has_exactly_the_fields_of_the_example(world: World) -> None:
    proxy = world.proxy(COMPOSE)

    world.ask(proxy, "https://httpbin.org/headers", headers="Authorization: Bearer proxy-openai-abc123\r\n")

    record = proxy.last_record()
    example = {
        "host": f"httpbin.org:{world.origin.port}",
        "method": "GET",
        "path": "/headers",
        "action": "allow",
        "status_code": 200,
        "request_transforms": [
            {"name": "allowlist", "action": "continue"},
            {
                "name": "secrets",
                "action": "continue",
                "annotations": {"swapped": [{"secret": "OPENAI_API_KEY", "locations": ["header:Authorization"]}]},
            },
        ],
        "response_transforms": [],
    }
    traces = [
        {key: value for key, value in trace.items() if key != "duration_ms"} for trace in record["request_transforms"]
    ]
    assert {**{key: record[key] for key in example}, "request_transforms": traces} == example
    assert isinstance(record["duration_ms"], int | float)


def test_rejected_requests_say_by_whom_and_log_at_warn(world: World) -> None:
    proxy = world.proxy(COMPOSE)

    world.ask(proxy, "https://example.com/")

    record = proxy.last_record()
    assert (record["rejected_by"], record["level"], record["action"]) == ("allowlist", "WARN", "reject")


def test_require_rejects_a_request_without_the_proxy_token(world: World, origin: Recorder) -> None:
    proxy = world.proxy(FULL_SHAPE)

    statuses = [
        world.ask(proxy, "https://api.openai.com/", headers=f"Authorization: Bearer {token}\r\n")
        for token in ("my-own-key", "proxy-token-123")
    ]

    assert statuses == [403, 200]
    assert origin.requests[-1].get_all(b"authorization") == [b"Bearer sk-real-openai-key-do-not-share"]


def test_hosts_restricts_where_a_token_is_swapped(world: World, origin: Recorder) -> None:
    proxy = world.proxy(COMPOSE)

    world.ask(proxy, "https://icanhazip.com/?k=proxy-internal-tok", headers="X: proxy-internal-tok\r\n")

    assert origin.requests[-1].get_all(b"x") == [b"proxy-internal-tok"]
    assert origin.requests[-1].path == "/?k=proxy-internal-tok"


@pytest.mark.parametrize(
    ("match_body", "arrives"), [("true", b"sk-real-openai-key-do-not-share"), ("false", b"proxy-token-123")]
)
def test_the_body_is_scanned_only_when_asked_for(
    world: World, origin: Recorder, match_body: str, arrives: bytes
) -> None:
    proxy = world.proxy(FULL_SHAPE.replace("match_body: false", f"match_body: {match_body}"))

    headers = "Authorization: Bearer proxy-token-123\r\n"
    world.ask(proxy, "https://api.openai.com/", method="POST", headers=headers, body=b"<proxy-token-123>")

    assert origin.requests[-1].body == b"<" + arrives + b">"


def test_a_body_over_the_limit_is_still_forwarded_whole(world: World, origin: Recorder) -> None:
    proxy = world.proxy(FULL_SHAPE.replace("1048576", "1000").replace("require: true", "require: false"))
    body = b"x" * 50_000

    assert world.ask(proxy, "https://api.openai.com/upload", method="POST", body=body) == 200

    assert hashlib.sha256(origin.requests[-1].body).digest() == hashlib.sha256(body).digest()


def test_dns_leads_everything_to_the_proxy_but_records_and_passthrough(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE.replace("internal.example.com", "fixed.internal.corp"))
    host, port = proxy.addresses["dns"]

    def address_of(name: str) -> str:
        return str(dns.query.udp(dns.message.make_query(name, "A"), host, 5, port).answer[0][0])

    assert address_of("api.openai.com") == "10.16.0.1"
    assert address_of("anything.at.all") == "10.16.0.1"
    assert address_of("db.internal.corp") == "10.8.8.8"
    assert address_of("fixed.internal.corp") == "10.0.0.5", "records have the highest precedence"


@pytest.mark.parametrize("way", [way for way in ALL_WAYS if way.is_tunnel and way.is_tls], ids=way_id)
def test_connect_and_socks5_go_through_the_same_pipeline(world: World, origin: Recorder, way: Way) -> None:
    proxy = world.proxy(FULL_SHAPE)

    status = world.ask(proxy, "https://api.openai.com/", way=way, headers="Authorization: Bearer proxy-token-123\r\n")

    assert status == 200
    assert origin.requests[-1].get_all(b"authorization") == [b"Bearer sk-real-openai-key-do-not-share"]
    opening, inner = proxy.new_records()
    assert (opening["method"], inner["method"]) == ("CONNECT", "GET")


def test_without_tunnel_listen_there_is_no_tunnel(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE.replace('  tunnel_listen: ":8080"\n', ""), IRON_PROXY_TUNNEL_LISTEN="")

    assert "tunnel" not in proxy.addresses


def leaf_of(proxy: RunningProxy, name: str) -> x509.Certificate:
    """The certificate that the HTTPS listener shows for a name."""
    with proxy.ca.client_context().wrap_socket(connect(proxy.addresses["https"]), server_hostname=name) as session:
        return x509.load_der_x509_certificate(session.getpeercert(binary_form=True) or b"")


def test_leaf_certificates_are_made_by_server_name_signed_by_the_ca_and_cached(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE)

    first, again, other = (leaf_of(proxy, name) for name in ("api.openai.com", "api.openai.com", "anthropic.com"))

    assert first.serial_number == again.serial_number != other.serial_number
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["api.openai.com"]
    first.verify_directly_issued_by(x509.load_pem_x509_certificate(proxy.ca.certificate.read_bytes()))
    assert datetime.now(UTC) < first.not_valid_after_utc <= datetime.now(UTC) + timedelta(hours=72)


def test_a_client_that_does_not_trust_the_ca_is_not_served(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE)

    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(connect(proxy.addresses["https"]), server_hostname="api.openai.com")

    assert proxy.wait_for_event("handshake")["action"] == "reject"


def test_every_request_makes_one_json_object_on_one_line(world: World) -> None:
    proxy = world.proxy(COMPOSE)
    for url in ("https://httpbin.org/get", "https://example.com/"):
        world.ask(proxy, url)

    proxy.settle()

    assert [json.loads(line)["msg"] for line in proxy.lines[-2:]] == ["request", "request"]


def test_healthz_says_ok(world: World) -> None:
    proxy = world.proxy(FULL_SHAPE)

    assert proxy.get_page("/healthz") == (200, b"OK")
    assert proxy.get_page("/nothing")[0] == 404


def test_websocket_upgrades_need_no_configuration(world: World) -> None:
    proxy = world.proxy(COMPOSE)
    key = base64.b64encode(bytes(16)).decode()
    headers = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"

    with proxy.open(Way.HTTPS, "httpbin.org", world.origin.port) as session:
        proxy.started += 1
        session.send(request("/ws", f"httpbin.org:{world.origin.port}", headers=headers))
        head = session.read()
        session.send(b"frames")

        assert head.startswith(b"HTTP/1.1 101 ")
        assert session.read_exactly(6) == b"frames"
