"""Orders and records for the tests that run a program for real."""

import os
from typing import Any

from iron_proxy.audit.record import Record
from iron_proxy.session.policy import Additions
from iron_proxy.session.policy_flags import parse_destinations
from iron_proxy.session.preparation import Order, Preparation, prepare
from iron_proxy.session.records import Records


class Told:
    """Records that go nowhere but here."""

    def __init__(self) -> None:
        self.seen: list[Record] = []
        self.sentences: list[str] = []
        self.records = Records((), (self.seen.append,), self.sentences.append)


def prepared(
    *command: str, allow: tuple[str, ...] = (), environment: dict[str, str] | None = None, **parts: Any
) -> Preparation:
    """What flags alone come to."""
    outer = {"PATH": os.environ["PATH"], **(environment or {})}
    return prepare(Order(command or ("true",), outer, additions=Additions(parse_destinations(allow)), **parts))
