"""The flags of `iron-proxy run`, and the order that they come to. Called by `cli/run.py`."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:
    from iron_proxy.matching.rule import Rule
    from iron_proxy.session.preparation import Order

FLAGS = FlagSet(
    "run",
    [
        Flag("config", "", "the YAML file; its rules hold, flags add to them", "FILE"),
        Flag("allow", (), "a host, *.host, host:port or range of addresses; may be repeated, or hold commas", "HOST"),
        Flag("preset", (), "allow what a program needs, see `iron-proxy init -list`; may be repeated", "NAME"),
        Flag("secret", (), "give the program a token in VARIABLE, and its value to HOST alone; may be repeated",
             "VARIABLE@HOST"),
        Flag("port", (), "one more TCP port that leads out, for HTTP or TLS; may be repeated", "PORT"),
        Flag("bind", (), "a path that stays reachable inside, such as a socket; may be repeated", "PATH"),
        Flag("learn", "", "refuse nothing by rules, and write the rules that would admit what was asked for", "FILE"),
        Flag("audit", "", "append audit records and the proxy's log to a file", "FILE"),
        Flag("verbose", False, "print them on standard error"),
        Flag("summary", "text", "what is told at the end: text, json or off", "FORM"),
        Flag("summary-file", "", "write that to a file in place of standard error", "FILE"),
        Flag("weak", False, "no jail: tell the program by its environment, which it can ignore"),
    ],
)  # fmt: skip
FORMS: Final = ("text", "json", "off")
# Flags that name files which are written outside: what is in them is not the program's to change.
_WRITTEN: Final = ("audit", "learn", "summary-file")

_T = TypeVar("_T")


def order_from(flags: ParsedFlags, environment: Mapping[str, str], limits: Mapping[int, tuple[int, int]]) -> "Order":
    """
    What is to be done; `limits` are those that the program gets back. Raises ValueError with a sentence for the user.

    The files that flags name are there already: they are hidden from the program.
    """
    from iron_proxy.session.policy import Additions
    from iron_proxy.session.policy_flags import parse_destinations, parse_port, parse_secret
    from iron_proxy.session.preparation import Order

    if not flags.positional:
        raise ValueError("which program? Write it behind the flags: iron-proxy run -allow example.com -- curl …")
    if flags.text("summary") not in FORMS:
        raise ValueError(f'-summary is {", ".join(FORMS[:-1])} or {FORMS[-1]}; got "{flags.text("summary")}"')
    if flags.boolean("weak") and (flags.texts("bind") or flags.texts("port")):
        raise ValueError("-bind and -port are for the jail: with -weak nothing is closed")
    rules = _parsed("-allow", flags.texts("allow"), lambda text: parse_destinations([text]))
    additions = Additions(
        (*(rule for each in rules for rule in each), *_preset_rules(flags.texts("preset"))),
        _parsed("-secret", flags.texts("secret"), parse_secret),
        observes=bool(flags.text("learn")),
    )
    return Order(
        flags.positional,
        environment,
        flags.text("config"),
        additions,
        _parsed("-port", flags.texts("port"), parse_port),
        flags.texts("bind"),
        tuple(filter(_is_ours, map(os.path.abspath, filter(None, map(flags.text, _WRITTEN))))),
        limits,
    )


def _preset_rules(names: Sequence[str]) -> "Iterator[Rule]":
    """Those that the programs cannot do without. Secrets of presets are given by `-secret`, where there are any."""
    if not names:
        return
    from iron_proxy.presets.catalogue import read_presets
    from iron_proxy.presets.composition import compiled_rule

    try:
        presets = read_presets(names)
    except ValueError as error:
        raise ValueError(f"-preset: {error}") from None
    yield from (compiled_rule(rule) for preset in presets for rule in preset.rules if not rule.is_optional)


def _is_ours(path: str) -> bool:
    """Whether a path is a file of its own: /dev/stderr is the program's too, whatever it leads to."""
    return os.path.isfile(path) and not path.startswith(("/dev/", "/proc/"))


def _parsed(flag: str, texts: Iterable[str], parse: Callable[[str], _T]) -> tuple[_T, ...]:
    try:
        return tuple(map(parse, texts))
    except ValueError as error:
        raise ValueError(f"{flag}: {error}") from None
