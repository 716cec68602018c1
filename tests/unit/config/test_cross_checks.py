import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config

CA = "tls: {ca_cert: a, ca_key: b}\n"
NO_DNS = "dns: {enabled: false}\n"


def errors_of(text: str, environment: dict[str, str] | None = None) -> list[str]:
    root = parse_config(text, "x")
    read_config(root, environment or {})
    return root.problems.errors


def test_dns_needs_the_address_of_the_proxy() -> None:
    (error,) = errors_of(CA + "dns:\n  listen: ':53'\n")

    assert error.startswith("x:3: dns.proxy_ip: is required; ")
    assert "IRON_DNS_PROXY_IP" in error


@pytest.mark.parametrize(
    ("proxy", "keys"),
    [
        ("{}", ["ca_cert", "ca_key"]),
        ("{https_listen: off, tunnel_listen: ':1'}", ["ca_cert", "ca_key"]),
        ("{https_listen: off}", []),
    ],
    ids=["https", "a tunnel", "plain http only"],
)
def test_a_ca_is_needed_where_tls_is_terminated(proxy: str, keys: list[str]) -> None:
    errors = errors_of(f"{NO_DNS}proxy: {proxy}\n")

    assert [error.split(":")[2].strip() for error in errors] == [f"tls.{key}" for key in keys]
    assert all("is required" in error for error in errors)


def test_sni_only_is_not_asked_for_a_ca() -> None:
    assert errors_of(NO_DNS + "tls: {mode: sni-only}") == []


def test_with_sni_only_a_list_of_hosts_to_pass_through_means_nothing() -> None:
    assert errors_of(NO_DNS + "tls: {mode: sni-only, passthrough: [a.test]}") == [
        "x:2: tls.passthrough: is for mode mitm: with sni-only all TLS is passed through"
    ]


def test_a_client_cannot_be_required_where_there_is_none() -> None:
    assert errors_of(NO_DNS + CA + "proxy: {require_client: true}") == [
        "x:3: proxy.require_client: no clients are configured, so every request would be refused; add clients"
    ]


def test_a_password_needs_the_listener_that_it_is_shown_to() -> None:
    clients = "clients: [{name: a, cidrs: [10.0.0.0/8]}, {name: b, password: {type: env, var: B}}]\n"

    (error,) = errors_of(NO_DNS + CA + clients)

    assert error.startswith("x:3: clients[1].password: can be shown to the tunnel listener only, which is off; ")
    assert errors_of(NO_DNS + CA + clients, {"IRON_PROXY_TUNNEL_LISTEN": ":8080"}) == []


def test_clients_that_are_required_are_there() -> None:
    clients = "clients: [{name: a, cidrs: [10.0.0.0/8]}]\n"

    assert errors_of(NO_DNS + CA + clients + "proxy: {require_client: true}") == []


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ("{http_listen: ':1', https_listen: ':1'}", "proxy.https_listen: :1 is taken by proxy.http_listen"),
        ("{http_listen: '1.2.3.4:1', https_listen: ':1'}", "proxy.https_listen: :1 is taken by proxy.http_listen"),
        (
            "{http_listen: '0.0.0.0:1', tunnel_listen: '1.2.3.4:1'}",
            "proxy.tunnel_listen: 1.2.3.4:1 is taken by proxy.http_listen",
        ),
        (
            "{http_listen: '[::]:1', tunnel_listen: '1.2.3.4:1'}",
            "proxy.tunnel_listen: 1.2.3.4:1 is taken by proxy.http_listen",
        ),
        ("{tunnel_listen: 'localhost:9090'}", "metrics.listen: :9090 is taken by proxy.tunnel_listen"),
    ],
)
def test_two_listeners_cannot_share_a_port(proxy: str, message: str) -> None:
    (error,) = errors_of(f"{NO_DNS}{CA}proxy: {proxy}\nmetrics: {{}}\n")

    assert error.endswith(message)


@pytest.mark.parametrize(
    "proxy",
    [
        "{http_listen: ':0', https_listen: ':0'}",
        "{http_listen: '127.0.0.1:1', https_listen: '127.0.0.2:1'}",
        "{http_listen: '0.0.0.0:1', https_listen: '[::1]:1'}",
        "{http_listen: ':53'}",
    ],
    ids=["chosen by the system", "two addresses", "two families", "the number of DNS"],
)
def test_listeners_that_do_not_meet_are_accepted(proxy: str) -> None:
    assert errors_of(f"dns: {{proxy_ip: 1.2.3.4}}\n{CA}proxy: {proxy}") == []


def test_a_clash_made_by_a_variable_names_the_variable() -> None:
    (error,) = errors_of(NO_DNS + CA, {"IRON_METRICS_LISTEN": ":443"})

    assert error == "environment: IRON_METRICS_LISTEN: :443 is taken by proxy.https_listen"


def test_without_a_listener_nothing_can_be_intercepted() -> None:
    proxy = "proxy: {transparent: tproxy, http_listen: off, https_listen: off, tunnel_listen: ':1'}\n"

    (error,) = errors_of(NO_DNS + CA + proxy)

    assert error == "x:3: proxy.transparent: is for http_listen and https_listen, which are both off"
    assert errors_of(NO_DNS + CA + proxy.replace("https_listen: off", "https_listen: ':2'")) == []


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("dns: {}\n", 0),
        ("proxy: {require_client: true}\n", 0),
        ("proxy: {http_listen: ':80', https_listen: ':80'}\n", 0),
        ("clients: [{name: a, password: {type: env, var: P}}]\n", 0),
        (CA, 0),
        ("tls: {ca_cert: a}\n", 1),
        ("tls: {ca_key: b}\n", 1),
        ("tls: {mode: sni-only, passthrough: [a.test]}\n", 1),
    ],
)
def test_a_session_needs_nothing_that_is_for_serving_alone(text: str, errors: int) -> None:
    root = parse_config(text, "x")

    read_config(root, {}, in_session=True)

    assert len(root.problems.errors) == errors
