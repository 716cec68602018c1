"""The `env` source."""

import pytest

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.environment import EnvironmentSource


async def test_the_variable_is_the_secret_and_its_name_the_name() -> None:
    source = EnvironmentSource("OPENAI_API_KEY", {"OPENAI_API_KEY": "sk-real"})

    secret = await source.get()

    assert (secret.name, secret.reveal()) == ("OPENAI_API_KEY", "sk-real")
    assert await source.get() is secret


@pytest.mark.parametrize("environment", [{}, {"K": ""}], ids=["unset", "empty"])
async def test_a_variable_without_a_value_is_unavailable(environment: dict[str, str]) -> None:
    with pytest.raises(SecretUnavailable, match='env var "K" is not set or empty'):
        await EnvironmentSource("K", environment).get()


async def test_a_variable_set_later_is_found() -> None:
    environment: dict[str, str] = {}
    source = EnvironmentSource("K", environment)

    environment["K"] = "late"

    assert (await source.get()).reveal() == "late"


def test_building_warns_of_a_missing_value_and_does_not_fail(caplog: pytest.LogCaptureFixture) -> None:
    EnvironmentSource.with_warning("K", {})
    EnvironmentSource.with_warning("SET", {"SET": "x"})

    assert caplog.messages == ["secret source has no value yet"]
    assert vars(caplog.records[0])["fields"] == {"secret": "K"}


async def test_a_value_that_is_there_is_current() -> None:
    environment: dict[str, str] = {}
    source = EnvironmentSource("KEY", environment)
    assert source.current is None

    environment["KEY"] = "value"

    assert source.current is await source.get()


@pytest.mark.parametrize("value", ["canary\n", "can\rary", "can\0ary"], ids=["LF", "CR", "NUL"])
async def test_a_value_that_cannot_stand_in_a_header_is_told_at_once(
    caplog: pytest.LogCaptureFixture, value: str
) -> None:
    source = EnvironmentSource.with_warning("K", {"K": value}, "secrets[0]")

    assert caplog.messages == ["secret cannot stand in a header"]
    fields = vars(caplog.records[0])["fields"]
    assert (fields["secret"], fields["place"]) == ("K", "secrets[0]")
    assert "set it without" in fields["remedy"]
    assert "canary" not in str(fields)
    assert (await source.get()).remedy == fields["remedy"]


def test_a_json_document_may_have_lines(caplog: pytest.LogCaptureFixture) -> None:
    EnvironmentSource.with_warning("K", {"K": "{\n}"}, may_have_lines=True)

    assert caplog.messages == []
