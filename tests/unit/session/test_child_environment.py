from iron_proxy.secret_sources.known_values import KnownValues
from iron_proxy.session.child_environment import clean

OUTER = {"PATH": "/bin", "HOME": "/home/me", "ODD": "a\udce4b", "EMPTY": ""}


class Owner:
    """What keeps a value known."""


def test_what_is_harmless_is_passed_on_as_it_is() -> None:
    cleaned = clean(OUTER, (), KnownValues().found_in)

    assert cleaned.variables == OUTER
    assert cleaned.betraying == {}


def test_variables_of_secrets_are_removed_without_a_word() -> None:
    known = KnownValues()
    owner = Owner()
    known.add(owner, "KEY", "sk-0123456789")

    assert clean({**OUTER, "KEY": "sk-0123456789"}, ("KEY",), known.found_in) == (OUTER, {})


def test_a_secret_in_another_variable_is_found_in_any_spelling_and_told() -> None:
    known = KnownValues()
    owner = Owner()
    known.add(owner, "KEY", 'sk-"0123456789"\n')
    outer = {**OUTER, "COPY": 'x sk-"0123456789"', "BASE64": "eHNrLSIwMTIzNDU2Nzg5IngK", "NEAR": "sk-012345678"}

    cleaned = clean(outer, (), known.found_in)

    assert cleaned.betraying == {"COPY": "KEY", "BASE64": "KEY"}
    assert cleaned.variables == {**OUTER, "NEAR": "sk-012345678"}
    assert known.hits == 0


def test_there_is_no_other_proxy_any_more() -> None:
    proxies = dict.fromkeys(
        (
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NODE_USE_ENV_PROXY",
            "npm_config_https_proxy",
            "PIP_PROXY",
        ),
        "http://user:pass@proxy.corp:3128",
    )

    assert clean({**OUTER, **proxies}, (), KnownValues().found_in).variables == OUTER
