from ipaddress import ip_network

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import Config, UpstreamProxyConfig, UpstreamTLSConfig

MINIMAL = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: ca.crt, ca_key: ca.key}\n"


def read(text: str, environment: dict[str, str] | None = None) -> tuple[Config, list[str]]:
    root = parse_config(text, "x")
    return read_config(root, environment or {}), root.problems.errors


def read_proxy(keys: str) -> tuple[Config, list[str]]:
    return read(f"{MINIMAL}proxy:\n{keys}")


def test_the_word_off_switches_a_listener_off() -> None:
    config, errors = read(
        "dns: {enabled: false}\nmetrics: {listen: off}\n"
        "proxy: {http_listen: off, https_listen: off, tunnel_listen: off}"
    )

    assert errors == []
    assert config.proxy.http_listen is config.proxy.https_listen is config.proxy.tunnel_listen is None
    assert config.metrics.listen is None


def test_an_empty_listen_address_is_the_default() -> None:
    config, errors = read_proxy("  http_listen: ''\n  tunnel_listen: ''\n")

    assert errors == []
    assert str(config.proxy.http_listen) == ":80"
    assert config.proxy.tunnel_listen is None


@pytest.mark.parametrize("key", ["http_listen", "https_listen", "tunnel_listen"])
def test_a_bad_listen_address_is_told_with_its_place(key: str) -> None:
    _, errors = read_proxy(f"  {key}: ':99999'\n")

    assert errors == [f'x:4: proxy.{key}: ":99999" is not a listen address; a port is at most 65535']


@pytest.mark.parametrize(
    ("yaml", "limit"), [("0", 1048576), ("", 1048576), ("-1", None), ("1", 1), ("9223372036854775807", 2**63 - 1)]
)
def test_a_request_limit_of_zero_is_the_default_and_a_negative_one_none(yaml: str, limit: int | None) -> None:
    config, errors = read_proxy(f"  max_request_body_bytes: {yaml}\n")

    assert errors == []
    assert config.proxy.max_request_body_bytes == limit


@pytest.mark.parametrize(("yaml", "limit"), [("0", None), ("", None), ("-1", None), ("4096", 4096)])
def test_a_response_limit_of_zero_is_none(yaml: str, limit: int | None) -> None:
    config, errors = read_proxy(f"  max_response_body_bytes: {yaml}\n")

    assert errors == []
    assert config.proxy.max_response_body_bytes == limit


@pytest.mark.parametrize(
    ("yaml", "seconds"), [("5m", 300.0), ("1h30m", 5400.0), ("500ms", 0.5), ("0", 30.0), ("''", 30.0)]
)
def test_the_header_timeout_is_a_go_duration(yaml: str, seconds: float) -> None:
    config, errors = read_proxy(f"  upstream_response_header_timeout: {yaml}\n")

    assert errors == []
    assert config.proxy.upstream_response_header_timeout == seconds


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("not-a-duration", 'time: invalid duration "not-a-duration"'),
        ("-5s", "must be positive; got -5s"),
        ("10", 'time: missing unit in duration "10"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
    ],
)
def test_a_bad_header_timeout_is_told(yaml: str, message: str) -> None:
    _, errors = read_proxy(f"  upstream_response_header_timeout: {yaml}\n")

    assert errors == [f"x:4: proxy.upstream_response_header_timeout: {message}"]


@pytest.mark.parametrize(
    ("yaml", "networks"),
    [
        ("", None),
        ("null", None),
        ("[]", ()),
        ("[10.0.0.0/8]", ("10.0.0.0/8",)),
        ("[' 10.1.2.3/8 ', '::1/128']", ("10.0.0.0/8", "::1/128")),
        ("['::ffff:10.0.0.0/104']", ("::ffff:10.0.0.0/104",)),
    ],
)
def test_a_deny_list_takes_the_place_of_the_built_in_one(yaml: str, networks: tuple[str, ...] | None) -> None:
    config, errors = read_proxy(f"  upstream_deny_cidrs: {yaml}\n")

    assert errors == []
    assert config.proxy.upstream_deny_cidrs == (None if networks is None else tuple(map(ip_network, networks)))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("1.2.3.4", 'invalid CIDR "1.2.3.4": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128'),
        ("::1", 'invalid CIDR "::1": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128'),
        ("  ", "empty CIDR entry"),
        ("10.0.0.0/99", 'invalid CIDR "10.0.0.0/99": not an address with a prefix length that fits it'),
        ("not-an-ip/24", 'invalid CIDR "not-an-ip/24": not an address with a prefix length that fits it'),
        ("999.999.999.999/32", 'invalid CIDR "999.999.999.999/32": not an address with a prefix length that fits it'),
        ("10.0.0.0/255.0.0.0", 'invalid CIDR "10.0.0.0/255.0.0.0": not an address with a prefix length that fits it'),
        ("10.0.0.0/08", 'invalid CIDR "10.0.0.0/08": not an address with a prefix length that fits it'),
        ("010.0.0.0/8", 'invalid CIDR "010.0.0.0/8": not an address with a prefix length that fits it'),
        ("fe80::1%eth0/64", 'invalid CIDR "fe80::1%eth0/64": not an address with a prefix length that fits it'),
        ("10.0.0.0/8/8", 'invalid CIDR "10.0.0.0/8/8": not an address with a prefix length that fits it'),
        ("10.0.0.0/", 'invalid CIDR "10.0.0.0/": not an address with a prefix length that fits it'),
    ],
)
def test_a_bad_cidr_is_told_with_its_index(entry: str, message: str) -> None:
    _, errors = read_proxy(f'  upstream_deny_cidrs:\n    - 10.0.0.0/8\n    - "{entry}"\n')

    assert errors == [f"x:6: proxy.upstream_deny_cidrs[1]: {message}"]


def test_a_deny_list_that_is_no_list_is_told() -> None:
    _, errors = read_proxy("  upstream_deny_cidrs: 10.0.0.0/8\n")

    assert errors == ["x:4: proxy.upstream_deny_cidrs: must be a list of strings"]


def test_the_default_action_may_be_allow() -> None:
    config, errors = read_proxy("  default_action: allow\n")

    assert errors == []
    assert config.proxy.default_action == "allow"


def test_another_default_action_is_refused() -> None:
    _, errors = read_proxy("  default_action: Allow\n")

    assert errors == ['x:4: proxy.default_action: must be one of deny, allow; got "Allow"']


@pytest.mark.parametrize("yaml", ["0", "-1", "two", "257", "1.5", "1e2", "Auto"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(yaml: str) -> None:
    _, errors = read_proxy(f"  workers: {yaml}\n")

    assert errors == [f'x:4: proxy.workers: must be auto or a number from 1 to 256; got "{yaml}"']


@pytest.mark.parametrize(("yaml", "workers"), [("1", 1), ("4", 4), ("256", 256), ("auto", "auto"), ('""', 1)])
def test_workers_are_a_number_or_as_many_as_cores(yaml: str, workers: object) -> None:
    config, errors = read_proxy(f"  workers: {yaml}\n")

    assert errors == []
    assert config.proxy.workers == workers


@pytest.mark.parametrize("workers", ["2", "auto"])
def test_workers_and_interception_do_not_go_together(workers: str) -> None:
    _, errors = read_proxy(f"  transparent: redirect\n  workers: {workers}\n")

    assert errors == [
        "x:5: proxy.workers: cannot be combined with transparent: redirect; "
        "a worker cannot know the connections that another one has made; leave workers out"
    ]


def test_what_is_left_out_has_its_default() -> None:
    config = read_proxy("  http_listen: ''\n")[0].proxy

    assert (config.upstream_proxy, config.upstream_tls) == (UpstreamProxyConfig(), UpstreamTLSConfig())
    assert (config.http2, config.upgrades, config.require_client) == ("both", ("websocket",), False)
    assert (config.websocket_idle_timeout, config.websocket_max_duration) == (3600.0, None)


# --- HTTP/2 and upgrades --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["both", "clients", "upstreams", "off"])
def test_http2_is_offered_on_the_sides_that_are_named(side: str) -> None:
    config, errors = read_proxy(f"  http2: {side}\n")

    assert errors == []
    assert config.proxy.http2 == side


def test_another_side_for_http2_is_refused() -> None:
    assert read_proxy("  http2: true\n")[1] == [
        'x:4: proxy.http2: must be one of both, clients, upstreams, off; got "true"'
    ]


@pytest.mark.parametrize(
    ("yaml", "names"),
    [
        ("", ("websocket",)),
        ("[]", ()),
        ("[tcp]", ("tcp",)),
        ("[WebSocket, tcp, TCP]", ("websocket", "tcp")),
        ("['spdy.3.1']", ("spdy.3.1",)),
    ],
    ids=["absent", "none", "another", "in lower case, once each", "a token with dots"],
)
def test_upgrades_are_named(yaml: str, names: tuple[str, ...]) -> None:
    config, errors = read_proxy(f"  upgrades: {yaml}\n")

    assert errors == []
    assert config.proxy.upgrades == names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("h2c", "h2c is never allowed: HTTP/2 without TLS would bypass policy; proxy.http2 serves HTTP/2 over TLS"),
        ("H2C", "h2c is never allowed: HTTP/2 without TLS would bypass policy; proxy.http2 serves HTTP/2 over TLS"),
        (
            "tls",
            "tls is never allowed: what is inside would be neither read nor decided on; clients reach TLS by https or "
            "CONNECT",
        ),
        ("TLS/1.0", '"TLS/1.0" is not the name of a protocol; write its name alone, such as websocket or tcp'),
        ("a, b", '"a, b" is not the name of a protocol; write its name alone, such as websocket or tcp'),
        ("", '"" is not the name of a protocol; write its name alone, such as websocket or tcp'),
        ("\u212a", '"\u212a" is not the name of a protocol; write its name alone, such as websocket or tcp'),
    ],
    ids=["h2c", "h2c in capitals", "TLS", "a version", "a list in a string", "empty", "the Kelvin sign"],
)
def test_an_upgrade_that_cannot_be_allowed_is_told_with_its_place(name: str, message: str) -> None:
    _, errors = read_proxy(f'  upgrades:\n    - tcp\n    - "{name}"\n')

    assert errors == [f"x:6: proxy.upgrades[1]: {message}"]


def test_the_times_of_a_websocket_are_durations() -> None:
    config, errors = read_proxy("  websocket_idle_timeout: 90s\n  websocket_max_duration: 24h\n")

    assert errors == []
    assert (config.proxy.websocket_idle_timeout, config.proxy.websocket_max_duration) == (90.0, 86400.0)


@pytest.mark.parametrize("key", ["websocket_idle_timeout", "websocket_max_duration", "drain_delay"])
def test_a_zero_time_is_the_default_and_a_negative_one_refused(key: str) -> None:
    config, errors = read_proxy(f"  {key}: 0\n")

    assert errors == []
    assert getattr(config.proxy, key) == getattr(Config().proxy, key)
    assert read_proxy(f"  {key}: -1s\n")[1] == [f"x:4: proxy.{key}: must be positive; got -1s"]


def test_the_delay_of_a_drain_is_a_duration() -> None:
    config, errors = read_proxy("  drain_delay: 5s\n")

    assert (errors, config.proxy.drain_delay) == ([], 5.0)


# --- the outbound proxy ---------------------------------------------------------------------------------------------


def test_an_outbound_proxy_is_kept_as_it_is_written() -> None:
    config, errors = read_proxy(
        "  upstream_proxy: {http_proxy: 'proxy:3128', https_proxy: 'socks5h://p:1080', no_proxy: '.corp, 10.0.0.0/8'}\n"
    )

    assert errors == []
    assert config.proxy.upstream_proxy == UpstreamProxyConfig("proxy:3128", "socks5h://p:1080", ".corp, 10.0.0.0/8")


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ("http_proxy: 'ftp://p:1'", "http_proxy: the scheme of the proxy's URL must be"),
        ("https_proxy: 'http://p:1/x'", "https_proxy: the proxy's URL has a path"),
        ("https_proxy: 'p:1', no_proxy: '-a'", 'no_proxy: the entry "-a" of no_proxy is none of'),
        ("http_proxi: 'p:1'", 'http_proxi: unknown key (did you mean "http_proxy"?)'),
    ],
    ids=["scheme", "path", "no_proxy", "unknown key"],
)
def test_a_bad_outbound_proxy_is_told_with_its_place(keys: str, place: str) -> None:
    _, errors = read_proxy(f"  upstream_proxy: {{{keys}}}\n")

    assert len(errors) == 1
    assert errors[0].startswith(f"x:4: proxy.upstream_proxy.{place}")


def test_the_password_of_an_outbound_proxy_is_neither_told_nor_shown() -> None:
    config, errors = read_proxy(
        "  upstream_proxy: {http_proxy: 'http://u:hush@p:1', https_proxy: 'http://u:hush@p:99999'}\n"
    )

    assert len(errors) == 1
    assert "hush" not in errors[0] + repr(config)


def test_no_proxy_without_a_proxy_says_nothing() -> None:
    config, errors = read_proxy("  upstream_proxy: {no_proxy: '/var/run/docker.sock'}\n")

    assert errors == []
    assert config.proxy.upstream_proxy == UpstreamProxyConfig()


@pytest.mark.parametrize("yaml", ["off", "tproxy", "redirect"])
def test_connections_may_be_intercepted(yaml: str) -> None:
    config, errors = read_proxy(f"  transparent: {yaml}\n")

    assert errors == []
    assert config.proxy.transparent == yaml


def test_nothing_is_intercepted_by_default() -> None:
    assert read_proxy("  http2: both\n")[0].proxy.transparent == "off"


def test_another_way_to_intercept_is_refused_with_those_that_there_are() -> None:
    _, errors = read_proxy("  transparent: true\n")

    assert errors == ['x:4: proxy.transparent: must be one of off, tproxy, redirect; got "true"']


@pytest.mark.parametrize(("yaml", "body"), [("", "empty"), ("  denial_body: explain\n", "explain")])
def test_denials_may_explain_themselves(yaml: str, body: str) -> None:
    config, errors = read_proxy(yaml)

    assert errors == []
    assert config.proxy.denial_body == body


@pytest.mark.parametrize("key", ["user: nobody", "seccomp: true"])
def test_workers_and_rights_that_are_given_up_do_not_go_together(key: str) -> None:
    _, errors = read_proxy(f"  workers: 2\nprocess: {{{key}}}\n")

    assert errors == [
        f"x:4: proxy.workers: cannot be combined with process.{key.partition(':')[0]}: "
        "the supervisor has to start processes and to bind ports later on; leave one of them out"
    ]
