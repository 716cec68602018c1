import pytest

from iron_proxy.config.environment import OVERRIDES, apply_environment
from iron_proxy.config.problems import Problems
from iron_proxy.config.section import Section


def apply(environment: dict[str, str]) -> tuple[dict[str, Section], Problems]:
    problems = Problems("environment")
    blocks = {name: Section(None, name, problems) for name in {override.block for override in OVERRIDES}}
    apply_environment(blocks, environment, problems)
    return blocks, problems


def test_a_variable_takes_the_place_of_its_key() -> None:
    blocks, problems = apply({"IRON_LOG_LEVEL": "warn", "IRON_DNS_ENABLED": "F", "IRON_TLS_CERT_CACHE_SIZE": "+5"})

    assert blocks["log"].text("level") == "warn"
    assert blocks["dns"].boolean("enabled", True) is False
    assert blocks["tls"].integer("cert_cache_size", 0) == 5
    assert (problems.errors, problems.warnings) == ([], [])


def test_an_empty_variable_is_not_set() -> None:
    blocks, problems = apply({override.variable: "" for override in OVERRIDES})

    assert all(block.keys() == [] for block in blocks.values())
    assert problems.errors == []


def test_a_bad_value_is_not_put_in_place() -> None:
    blocks, problems = apply({"IRON_DNS_ENABLED": "yes"})

    assert blocks["dns"].boolean("enabled", True) is True
    assert problems.errors == ['environment: IRON_DNS_ENABLED: strconv.ParseBool: parsing "yes": invalid syntax']


def test_a_slip_in_the_name_of_a_variable_is_a_warning() -> None:
    _, problems = apply({"IRON_PROXY_HTTP_LISTN": ":80", "IRON_MY_SECRET": "x", "IRON_CONTROL_PLANE_URL": "https://x"})

    assert problems.errors == []
    assert problems.warnings == [
        'environment: IRON_PROXY_HTTP_LISTN: is not read (did you mean "IRON_PROXY_HTTP_LISTEN"?)'
    ]


@pytest.mark.parametrize("key", ["http_proxy", "https_proxy", "no_proxy"])
def test_of_two_spellings_upper_case_counts(key: str) -> None:
    blocks, _ = apply({key: "lower", key.upper(): "upper"})

    assert blocks["upstream_proxy"].text(key) == "upper"
    assert apply({key: "lower", key.upper(): ""})[0]["upstream_proxy"].text(key) == "lower"
