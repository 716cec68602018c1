from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from iron_proxy.config.loading import examine_config
from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit, Refusal
from iron_proxy.session.policy import Additions, Policy, build_policy
from iron_proxy.session.policy_flags import parse_destinations, parse_secret

ALLOWED = {"name": "allowlist", "config": {"domains": ["ok.test"]}}
SECRETS = {
    "name": "secrets",
    "config": {
        "secrets": [
            {
                "source": {"type": "env", "var": "CONFIGURED"},
                "replace": {"proxy_value": "configured-token"},
                "rules": [{"host": "ok.test"}],
            },
            {
                "source": {"type": "env", "var": "DOCUMENT", "json_key": "key"},
                "replace": {"proxy_value": "another-token"},
                "rules": [{"host": "ok.test"}],
            },
            {
                "source": {"type": "file", "path": "/run/secrets/key"},
                "inject": {"header": "X-Key"},
                "rules": [{"host": "ok.test"}],
            },
        ]
    },
}
ENVIRONMENT = {"KEY": "sk-0123456789abcdef", "CONFIGURED": "configured-value", "DOCUMENT": '{"key": "document-value"}'}


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(*transforms: Any, **blocks: Any) -> Config:
        file = tmp_path / "proxy.yaml"
        with file.open("w") as stream:
            YAML().dump({"transforms": list(transforms), **blocks}, stream)
        config, problems = examine_config(str(file), {}, in_session=True)
        assert problems.errors == []
        return config

    return read


def additions(allow: list[str] | None = None, secret: list[str] | None = None, observes: bool = False) -> Additions:
    return Additions(parse_destinations(allow or []), tuple(map(parse_secret, secret or [])), observes)


def policy_of(config: Config, added: Additions | None = None) -> Policy:
    return build_policy(config, added or Additions(), ENVIRONMENT)


async def decide(policy: Policy, host: str, *headers: tuple[bytes, bytes]) -> tuple[Permit | Refusal, Request]:
    request = Request("GET", "https", Target(host, 443), b"/", None, Headers(list(headers)), Body.of(b""))
    return await policy.pipeline.run_request(Exchange(request), []), request


async def is_admitted(policy: Policy, host: str) -> bool:
    return isinstance((await decide(policy, host))[0], Permit)


async def test_without_a_configuration_only_what_the_flags_name_is_allowed() -> None:
    policy = policy_of(Config(), additions(["a.test"], ["KEY@b.test"]))

    assert [await is_admitted(policy, host) for host in ("a.test", "b.test", "c.test")] == [True, True, False]
    refusal, _ = await decide(policy_of(Config()), "c.test")
    assert isinstance(refusal, Refusal)
    assert refusal.by == "allowlist"


async def test_flags_add_to_every_allowlist_of_the_configuration(read: Any) -> None:
    policy = policy_of(read(ALLOWED, {"name": "allowlist", "config": {"domains": ["*"]}}), additions(["a.test"]))

    assert [await is_admitted(policy, host) for host in ("ok.test", "a.test", "c.test")] == [True, True, False]


async def test_a_default_of_allow_stays_one(read: Any) -> None:
    policy = policy_of(read(proxy={"default_action": "allow"}), additions(["a.test"]))

    assert [await is_admitted(policy, host) for host in ("a.test", "c.test")] == [True, True]


@pytest.mark.parametrize("transforms", [(), (ALLOWED,)], ids=["no allowlist", "an allowlist"])
async def test_learning_refuses_nothing(read: Any, transforms: Any) -> None:
    policy = policy_of(read(*transforms), additions(observes=True))

    assert await is_admitted(policy, "c.test")


async def test_a_secret_of_the_flags_goes_to_its_hosts_in_header_fields_alone() -> None:
    policy = policy_of(Config(), additions(["a.test"], ["KEY@b.test"]))
    token = policy.tokens["KEY"].encode()

    _, right = await decide(policy, "b.test", (b"X-Key", token))
    _, wrong = await decide(policy, "a.test", (b"X-Key", token))

    assert right.headers.get(b"x-key") == b"sk-0123456789abcdef"
    assert wrong.headers.get(b"x-key") == token


async def test_one_variable_for_several_hosts_has_one_token() -> None:
    policy = policy_of(Config(), additions(secret=["KEY@a.test", "KEY@b.test"]))
    token = policy.tokens["KEY"].encode()

    for host in ("a.test", "b.test"):
        _, request = await decide(policy, host, (b"X-Key", token))
        assert request.headers.get(b"x-key") == b"sk-0123456789abcdef"


def test_where_real_values_come_from_is_known(read: Any) -> None:
    client = {"name": "agent", "password": {"type": "env", "var": "PASSWORD"}}
    policy = policy_of(read(ALLOWED, SECRETS, clients=[client]), additions(secret=["KEY@b.test"]))

    assert policy.variables == {"CONFIGURED", "DOCUMENT", "PASSWORD", "KEY"}
    assert policy.files == ("/run/secrets/key",)


def test_the_program_finds_a_configured_token_where_the_real_value_was(read: Any) -> None:
    policy = policy_of(read(ALLOWED, SECRETS))

    assert policy.tokens == {"CONFIGURED": "configured-token"}


def test_the_token_of_a_flag_goes_before_a_configured_one(read: Any) -> None:
    policy = policy_of(read(ALLOWED, SECRETS), additions(secret=["CONFIGURED@b.test"]))

    assert policy.tokens["CONFIGURED"] != "configured-token"


async def test_values_that_can_be_had_are_known_and_others_are_no_mistake(read: Any) -> None:
    policy = policy_of(read(ALLOWED, SECRETS))

    await policy.ask_sources()

    assert [secret.name for secret in policy.secrets] == ["CONFIGURED", "DOCUMENT"]
    assert "configured-value" not in repr(policy)


def test_ports_of_rules_are_known(read: Any) -> None:
    allowlist = {"name": "allowlist", "config": {"rules": [{"host": "ok.test", "ports": [8443, 9000]}]}}
    policy = policy_of(read(allowlist), additions(["a.test:8080"]))

    assert policy.ports == (8080, 8443, 9000)


@pytest.mark.parametrize(("value", "reason"), [(None, "not set"), ("", "empty"), ("a\nb", "line break")])
def test_a_secret_that_is_none_is_refused(value: str | None, reason: str) -> None:
    environment = {} if value is None else {"KEY": value}

    with pytest.raises(ConfigError, match=reason):
        build_policy(Config(), additions(secret=["KEY@b.test"]), environment)
