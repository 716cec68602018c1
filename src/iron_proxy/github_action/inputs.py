"""The inputs of `action.yml`, as they come in variables, and the flags of `iron-proxy run` that they make. Pure."""

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MODES: Final = ("warn", "enforce")


@dataclass(frozen=True, slots=True)
class Inputs:
    """`secrets` are `VARIABLE@HOST`: names only, values never leave the environment. `config` is absolute or ""."""

    mode: str
    config: str = ""
    allow: tuple[str, ...] = ()
    presets: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that hold secrets."""
        return tuple(dict.fromkeys(secret.partition("@")[0] for secret in self.secrets))

    def run_flags(self) -> list[str]:
        """Flags of `iron-proxy run`, which checks what is in them. Each in one word: no input is taken for a flag."""
        listed = (("allow", self.allow), ("preset", self.presets), ("secret", self.secrets))
        flags = [f"-{name}={value}" for name, values in listed for value in values]
        return [*([f"-config={self.config}"] if self.config else []), *flags]


def read_inputs(environment: Mapping[str, str]) -> Inputs:
    """Raises ValueError with a sentence that names the input."""
    mode = environment.get("INPUT_MODE", "").strip()
    if mode not in MODES:
        raise ValueError(f'input mode: "{mode}" is none; write warn, enforce or install')
    config = environment.get("INPUT_CONFIG", "").strip()
    return Inputs(
        mode,
        os.path.join(environment.get("GITHUB_WORKSPACE", ""), config) if config else "",
        _words(environment, "INPUT_ALLOW"),
        _words(environment, "INPUT_PRESETS"),
        _secrets(environment),
    )


def read_fail_on_denied(environment: Mapping[str, str]) -> bool:
    """Raises ValueError with a sentence."""
    text = environment.get("INPUT_FAIL_ON_DENIED", "").strip()
    if text not in ("true", "false"):
        raise ValueError(f'input fail-on-denied: "{text}" is none; write true or false')
    return text == "true"


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Separated by blanks, line ends or commas."""
    return tuple(environment.get(name, "").replace(",", " ").split())


def _secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Separated by blanks or line ends; a comma is between the hosts of one."""
    found = tuple(environment.get("INPUT_SECRETS", "").split())
    for text in found:
        variable, at, host = text.partition("@")
        if not (variable and at and host):
            # Not shown: whoever wrote the value in place of its name must not find it in the log.
            raise ValueError("input secrets: write VARIABLE@HOST, the name of a variable in `env:` and who may have it")
    return found
