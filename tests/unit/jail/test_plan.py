import os

import pytest

from iron_proxy.jail.plan import MAX_DOORS, Door, JailPlan


def test_a_plan_is_for_who_makes_it() -> None:
    plan = JailPlan(("true",), {})

    assert (plan.user.uid, plan.user.gid) == (os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("command", "doors"),
    [
        ((), ()),
        (("true",), (Door("http", 80), Door("http", 8080))),
        (("true",), tuple(Door(str(port), port) for port in range(1, MAX_DOORS + 2))),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_not_made(command: tuple[str, ...], doors: tuple[Door, ...]) -> None:
    with pytest.raises(ValueError, match="jail"):
        JailPlan(command, {}, doors)
