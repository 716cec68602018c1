"""The words of allowlist and rule problems, and of the warn annotation, that harnesses look for."""

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import TransformContext
from iron_proxy.transforms.allowlist import build

CONTEXT = TransformContext(environment={}, max_request_body_bytes=None)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("rules: [{host: a, cidr: 10.0.0.0/8}]", "rules[0]: host and cidr are mutually exclusive"),
        ("rules: [{host: a}, {methods: [GET]}]", "rules[1]: one of host or cidr is required"),
        ("rules: [{host: a, paths: ['*']}]", 'rules[0]: path "*" must start with /'),
        ("rules: [{cidr: nonsense}]", 'rules[0]: parsing CIDR "nonsense": '),
        ("cidrs: [nonsense]", 'parsing CIDR "nonsense": '),
    ],
)
def test_a_problem_is_told_in_the_known_words(yaml: str, message: str) -> None:
    section = parse_config(yaml, "iron-proxy.yaml")

    build(section, CONTEXT)

    assert len(section.problems.errors) == 1
    assert message in section.problems.errors[0]
    assert section.problems.errors[0].startswith("iron-proxy.yaml:1: ")


async def test_a_warned_request_is_annotated_with_the_known_word() -> None:
    transform = build(parse_config("warn: true", "iron-proxy.yaml"), CONTEXT)
    exchange = Exchange(Request("GET", "https", Target("a.test", 443), b"/"))

    await transform.on_request(exchange)

    assert exchange.notes == {"action": "warn"}
    assert transform.name == "allowlist"
