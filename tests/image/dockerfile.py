"""A Dockerfile as its instructions: as much of the grammar as ours uses, and an error for the rest."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"


class Instruction(NamedTuple):
    """One instruction: its word in capitals, its options (`--from=build`), and the rest as it is written."""

    word: str
    options: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """The rest, split as a shell would."""
        return shlex.split(self.text)

    @property
    def command(self) -> list[str]:
        """The rest in the form of JSON, which runs without a shell. Raises ValueError for the other form."""
        return list(map(str, json.loads(self.text)))


class Stage(NamedTuple):
    """What follows a FROM, up to the next one."""

    base: str
    name: str
    instructions: list[Instruction]

    def all(self, word: str) -> list[Instruction]:
        """The instructions of one word, in order."""
        return [each for each in self.instructions if each.word == word]

    def last(self, word: str) -> Instruction:
        """The one that counts where the last wins. Raises IndexError."""
        return self.all(word)[-1]


def instructions(text: str) -> list[Instruction]:
    """Every instruction of a Dockerfile; comments go, and so do ends of lines behind a backslash."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        options = {}
        while option := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            options[option[1]] = option[2]
            rest = rest[option.end() :]
        found.append(Instruction(word.upper(), options, rest.strip()))
    return found


def stages(text: str) -> list[Stage]:
    """The stages; variables of FROM are replaced by the defaults of the ARGs before it."""
    defaults: dict[str, str] = {}
    found: list[Stage] = []
    for instruction in instructions(text):
        if instruction.word == "FROM":
            base, *alias = instruction.words
            found.append(Stage(expand(base, defaults), alias[1] if alias else "", []))
        elif found:
            found[-1].instructions.append(instruction)
        else:
            defaults |= dict([instruction.text.split("=", 1)])
    return found


def expand(text: str, values: dict[str, str]) -> str:
    """Replace `${NAME}`. Raises KeyError for one that is not known."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


def pairs(instruction: Instruction) -> dict[str, str]:
    """The `name=value` words of an ENV or a LABEL."""
    return dict(word.split("=", 1) for word in instruction.words)
