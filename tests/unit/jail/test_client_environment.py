"""The variables that clients read, and what they are set to."""

import pytest

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.jail.client_environment import VARIABLES, Holds, client_environment, proxy_url_of, reachable_host

BUNDLE, CA, STORE, PROXY = "/certs/ca-bundle.crt", "/certs/ca.crt", "/certs/ca-bundle.p12", "http://127.0.0.1:8080"


def test_routed_traffic_needs_the_ca_alone() -> None:
    made = client_environment(BUNDLE, CA)

    assert not [variable.name for variable in VARIABLES if variable.is_about_proxy and variable.name in made]
    assert made["SSL_CERT_FILE"] == made["CURL_CA_BUNDLE"] == BUNDLE
    assert made["NODE_EXTRA_CA_CERTS"] == made["DENO_CERT"] == CA
    assert "JAVA_TOOL_OPTIONS" not in made


def test_proxied_traffic_is_told_of_the_proxy_in_both_cases() -> None:
    made = client_environment(BUNDLE, CA, STORE, PROXY)

    assert made.keys() == {variable.name for variable in VARIABLES}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert made[name] == made[name.lower()] == PROXY
    assert made["NO_PROXY"] == made["no_proxy"] == "localhost,127.0.0.1,::1"
    assert made["NODE_USE_ENV_PROXY"] == "1"


def test_java_is_told_of_its_store_and_of_host_and_port_apart() -> None:
    assert client_environment(BUNDLE, CA, STORE, "http://name:word@proxy.test")["JAVA_TOOL_OPTIONS"].split() == [
        "-Djavax.net.ssl.trustStore=/certs/ca-bundle.p12",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        "-Djavax.net.ssl.trustStorePassword=changeit",
        "-Dhttp.proxyHost=proxy.test",
        "-Dhttp.proxyPort=80",
        "-Dhttps.proxyHost=proxy.test",
        "-Dhttps.proxyPort=80",
        "-Dhttp.nonProxyHosts=localhost|127.*|[::1]",
    ]


def test_java_takes_a_socks_proxy_by_other_names() -> None:
    options = client_environment(BUNDLE, CA, STORE, "socks5h://[::1]:1080")["JAVA_TOOL_OPTIONS"]

    assert "-DsocksProxyHost=::1 -DsocksProxyPort=1080" in options
    assert "http.proxyHost" not in options


def test_java_options_that_are_there_are_kept_and_ours_are_not_repeated() -> None:
    first = client_environment(BUNDLE, CA, STORE, PROXY, java_options="-Xmx1g '-Dname=a b'")["JAVA_TOOL_OPTIONS"]
    second = client_environment(BUNDLE, CA, STORE, java_options=first)["JAVA_TOOL_OPTIONS"]

    assert second.startswith("-Xmx1g '-Dname=a b' -Djavax.net.ssl.trustStore=")
    assert second.count("trustStore=") == 1
    assert "proxyHost" not in second


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("/a b/x.p12", '"-Djavax.net.ssl.trustStore=/a b/x.p12"'),
        ('/a"b/x.p12', "'-Djavax.net.ssl.trustStore=/a\"b/x.p12'"),
    ],
    ids=["a blank", "a quote"],
)
def test_a_path_that_java_would_split_is_quoted(path: str, option: str) -> None:
    made = client_environment(BUNDLE, CA, path)["JAVA_TOOL_OPTIONS"]

    assert made.startswith(option)
    assert client_environment(BUNDLE, CA, STORE, java_options=made)["JAVA_TOOL_OPTIONS"].count("trustStore=") == 1


def test_every_variable_stands_once_with_its_reason() -> None:
    names = [variable.name for variable in VARIABLES]

    assert len(set(names)) == len(names)
    assert all(variable.read_by and variable.reason for variable in VARIABLES)
    assert {variable.holds for variable in VARIABLES} == set(Holds)


@pytest.mark.parametrize(
    ("listen", "host", "url"),
    [
        (":8080", "127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0:1", "127.0.0.1", "http://127.0.0.1:1"),
        ("[::]:8080", "::1", "http://[::1]:8080"),
        ("10.0.0.1:8080", "10.0.0.1", "http://10.0.0.1:8080"),
    ],
)
def test_a_listener_of_this_machine_is_reached_by_an_address(listen: str, host: str, url: str) -> None:
    address = ListenAddress.parse(listen)

    assert reachable_host(address) == host
    assert proxy_url_of(address) == url
