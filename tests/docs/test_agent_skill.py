"""The skill for agents: its form (the Agent Skills specification), and that it tells what the proxy does."""

import re

import pytest
from ruamel.yaml import YAML
from tests.docs.pages import ROOT, mentions, text_of

from iron_proxy.proxy.denials import DETAILS

SKILLS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "skills").glob("*/SKILL.md"))
BEHIND = text_of("skills/behind-iron-proxy/SKILL.md")


@pytest.mark.parametrize("path", SKILLS)
def test_a_skill_has_the_form_of_one(path: str) -> None:
    _, front, body = text_of(path).split("---\n", 2)
    fields = YAML(typ="safe").load(front)

    assert fields["name"] == path.split("/")[1]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"])
    assert len(fields["name"]) <= 64
    assert 0 < len(fields["description"]) <= 1024
    assert len(body.splitlines()) < 500


@pytest.mark.parametrize("code", sorted(DETAILS))
def test_every_code_of_a_denial_is_explained_to_agents(code: str) -> None:
    assert mentions(BEHIND, code)


def test_no_code_is_explained_that_does_not_exist() -> None:
    codes = re.findall(r"`([a-z_]+)`(?=[^|\n]*\|)", BEHIND.split("| code | what to do |")[1].split("\n\n")[0])

    assert set(codes) == set(DETAILS)
