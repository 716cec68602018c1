"""What a client may see of this environment, and what is changed in it."""

from pathlib import Path

import pytest

from iron_proxy.doctor.environments import as_it_is, names_a_proxy, names_java_proxy, rewired

HOME = Path("/scratch")
OURS = "http://127.0.0.1:4000"


def test_what_leads_away_from_this_machine_is_taken_out() -> None:
    leads_away = {
        "PIP_EXTRA_INDEX_URL": "https://x", "UV_INDEX": "https://x", "CARGO_REGISTRIES_X_INDEX": "x",
        "npm_config_registry": "https://x", "GIT_CONFIG_PARAMETERS": "x", "WGETRC": "/x", "IRON_PROXY_TOKEN": "t",
        "SSLKEYLOGFILE": "/x",
    }  # fmt: skip

    made = as_it_is({"PATH": "/bin", "SSL_CERT_FILE": "/ca", **leads_away}, HOME, OURS)

    assert (made["PATH"], made["SSL_CERT_FILE"]) == ("/bin", "/ca")
    assert not made.keys() & leads_away.keys()


def test_settings_of_the_user_are_out_of_sight_but_installed_programs_are_not() -> None:
    made = as_it_is({"HOME": "/home/me"}, HOME, OURS)

    assert made["HOME"] == made["XDG_CONFIG_HOME"] == "/scratch"
    assert made["GIT_CONFIG_GLOBAL"] == made["PIP_CONFIG_FILE"] == "/dev/null"
    assert made["RUSTUP_HOME"] == "/home/me/.rustup"
    assert as_it_is({"HOME": "/home/me", "RUSTUP_HOME": "/r"}, HOME, OURS)["RUSTUP_HOME"] == "/r"
    assert "RUSTUP_HOME" not in as_it_is({}, HOME, OURS)


def test_a_proxy_that_is_named_becomes_ours_in_its_own_form() -> None:
    environment = {
        "https_proxy": "http://corporate:3128", "ALL_PROXY": "socks5h://corporate:1080", "HTTPS_PROXY": "",
        "PIP_PROXY": "corporate:3128", "NO_PROXY": ".local",
    }  # fmt: skip

    made = as_it_is(environment, HOME, OURS)

    assert made["https_proxy"] == made["PIP_PROXY"] == OURS
    assert made["ALL_PROXY"] == "socks5h://127.0.0.1:4000"
    assert (made["HTTPS_PROXY"], made["NO_PROXY"]) == ("", ".local")
    assert "http_proxy" not in made


def test_so_does_one_in_the_options_of_java() -> None:
    options = "-Xmx1g -Dhttps.proxyHost=corporate -Dhttps.proxyPort=3128"

    made = as_it_is({"JAVA_TOOL_OPTIONS": options}, HOME, OURS)

    assert made["JAVA_TOOL_OPTIONS"] == "-Xmx1g -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4000"


def test_with_our_variables_there_are_no_others_of_their_purpose() -> None:
    environment = {"CURL_CA_BUNDLE": "/old", "npm_config_cafile": "/old", "https_proxy": "http://old", "PATH": "/bin"}

    made = rewired(environment, HOME, {"SSL_CERT_FILE": "/new"})

    assert "/old" not in made.values()
    assert "https_proxy" not in made
    assert (made["SSL_CERT_FILE"], made["PATH"]) == ("/new", "/bin")


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({}, False),
        ({"HTTPS_PROXY": ""}, False),
        ({"NO_PROXY": "x"}, False),
        ({"https_proxy": "http://x"}, True),
        ({"npm_config_proxy": "http://x"}, True),
        ({"JAVA_TOOL_OPTIONS": "-Xmx1g"}, False),
        ({"JAVA_TOOL_OPTIONS": "-Dhttps.proxyHost=x"}, True),
    ],
)
def test_whether_a_proxy_is_named(environment: dict[str, str], answer: bool) -> None:
    assert names_a_proxy(environment) is answer


def test_whether_java_options_name_a_proxy() -> None:
    assert names_java_proxy("-DsocksProxyHost=x")
    assert not names_java_proxy("-Dother=x")
