import os
from pathlib import Path

import pytest
from tests.fakes.inside_jail import InsideJail


def test_it_is_made_and_says_so() -> None:
    with InsideJail(["true"], doors=[(80, False), (53, True)]) as inside:
        assert inside.make() == {"say": "ready", "not_shown": [], "sees_refusals": True}


def test_what_fails_is_told_with_its_step() -> None:
    with InsideJail(["true"], doors=[(80, False), (80, False)]) as inside:
        message = inside.make()

    assert (message["say"], message["step"]) == ("failed", "doors")
    assert inside.process.returncode == 0


def test_it_ends_when_the_proxy_is_gone_before_it_has_answered() -> None:
    with InsideJail(["true"]) as inside:
        assert inside.hear() == {"say": "unshared"}

    assert inside.process.returncode == 1


def test_it_ends_with_the_first_process() -> None:
    with InsideJail(["sleep", "1000"]) as inside:
        inside.start()
        inside.kill_first_process()

        assert inside.hear() is None
        assert inside.process.wait(20) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can map ids that are not its own")
def test_ids_that_were_mapped_from_outside_are_left_alone() -> None:
    with InsideJail(["sh", "-c", "cat /proc/self/uid_map"]) as inside:
        assert inside.hear() == {"say": "unshared"}
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{inside.process.pid}/{name}").write_text("0 0 5")
        inside.say(say="mapped", mapped=True)
        assert (inside.hear() or {})["say"] == "ready"
        inside.say(say="start")

        assert inside.hear() == {"say": "ended", "status": 0}
        assert inside.output().split() == ["0", "0", "5"]
