from pathlib import Path

import pytest

from iron_proxy.cli.run_flags import FLAGS, order_from
from iron_proxy.session.preparation import Order


def order_of(*arguments: str) -> Order:
    return order_from(FLAGS.parse(arguments), {"A": "b"}, {4: (0, 1)})


def test_the_command_begins_behind_the_flags() -> None:
    assert order_of("-allow", "a.test", "--", "curl", "-allow", "x").command == ("curl", "-allow", "x")
    assert order_of("curl", "--", "-x").command == ("curl", "--", "-x")


def test_flags_may_be_repeated_and_hold_commas() -> None:
    order = order_of(
        "--allow", "a.test,b.test", "-allow=c.test", "-secret", "KEY@d.test", "-secret", "OTHER@d.test",
        "-port", "8080", "-port", "9000", "-bind", "/x", "-bind", "/y", "--", "true",
    )  # fmt: skip

    assert [rule.describe() for rule in order.additions.rules] == ["a.test", "b.test", "c.test"]
    assert [secret.variable for secret in order.additions.secrets] == ["KEY", "OTHER"]
    assert (order.ports, order.binds) == ((8080, 9000), ("/x", "/y"))
    assert (order.environment, order.limits) == ({"A": "b"}, {4: (0, 1)})


def test_files_that_are_written_outside_are_hidden_inside(tmp_path: Path) -> None:
    for name in ("audit", "learned"):
        (tmp_path / name).touch()

    order = order_of(
        "-audit", str(tmp_path / "audit"), "-learn", str(tmp_path / "learned"), "-summary-file", "/dev/stderr", "true"
    )

    assert order.hidden == (str(tmp_path / "audit"), str(tmp_path / "learned"))
    assert order.additions.observes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "which program?"),
        (["-allow", "a b", "true"], "^-allow: "),
        (["-secret", "a b", "true"], "^-secret: "),
        (["-port", "x", "true"], "^-port: "),
        (["-summary", "xml", "true"], '-summary is text, json or off; got "xml"'),
        (["-weak", "-port", "1", "true"], "for the jail"),
    ],
)
def test_a_mistake_names_its_flag(arguments: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        order_of(*arguments)
