"""docs/tutorial/first-run.md, replayed: its commands are typed one after the other, and say what the page shows."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import fenced_blocks, text_of
from tests.fakes.run_world import RunWorld, interpreter

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

PAGE = "docs/tutorial/first-run.md"
_BEHIND = "behind command"


class Shown:
    """One command of the transcript and the lines below it. `…` stands for anything, alone for any lines."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.lines: list[str] = []

    def fits(self, output: str) -> bool:
        patterns = [
            r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n" for line in self.lines
        ]
        return re.fullmatch("".join(patterns), output) is not None


def transcript() -> list[Shown]:
    shown: list[Shown] = []
    for block in fenced_blocks(text_of(PAGE), "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                shown.append(Shown(line.removeprefix("$ ")))
            else:
                shown[-1].lines.append(line)
    return shown


def replay(world: RunWorld, user: str, commands: list[str], folder: Path) -> list[str]:
    """What each command printed, on whichever output; all in one shell."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "iron-proxy").write_text(f'#!/bin/sh\nexec {interpreter(user)} -m iron_proxy "$@"\n')
    (programs / "iron-proxy").chmod(0o755)
    environment = world.environment(user)
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    # The status of a command is the next one's to ask for.
    script = "".join(
        f"{command}\nstatus=$?; echo '{_BEHIND} {n}'; (exit $status)\n" for n, command in enumerate(commands)
    )
    words = world.command("--", user=user)
    shell = [*words[: words.index(interpreter(user))], "sh", "-c", script]
    done = subprocess.run(
        shell, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    return re.split(rf"{_BEHIND} \d+\n", done.stdout.decode())[:-1]


def test_the_transcript_is_what_happens(run_world: RunWorld, user: str) -> None:
    folder = run_world.folder / f"first-run-{user}"
    folder.mkdir()
    folder.chmod(0o777)
    shown = transcript()

    printed = replay(run_world, user, [each.command for each in shown], folder)

    assert len(shown) > 8
    for each, output in zip(shown, printed, strict=True):
        assert each.fits(output), f"$ {each.command}\n{output}\n— and not —\n" + "\n".join(each.lines)


@pytest.mark.parametrize(
    ("output", "fits"), [("a 1 b\nc\n", True), ("a 1 b\nx\ny\nc\n", False), ("a\nc\n", False), ("a 1 b\nc\nd\n", False)]
)
def test_a_replay_can_fail(output: str, fits: bool) -> None:
    shown = Shown("echo")
    shown.lines = ["a … b", "c"]

    assert shown.fits(output) is fits
