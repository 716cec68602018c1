"""A stand-in is the secret's name, and can stand wherever a secret can."""

from tests.fakes.secret_source import FakeSource

from iron_proxy.matching.rule import Rule
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.stand_ins import StandInSource, stand_in_of, with_stand_in


async def test_the_source_yields_the_name() -> None:
    source = StandInSource("KEY")

    assert source.current is not None
    assert (await source.get()) is source.current
    assert source.current.reveal() == "[secret:KEY]"


async def test_an_entry_keeps_everything_but_its_source() -> None:
    entry = Entry(FakeSource("KEY", "canary"), (Rule.for_host("a.test"),), Replacement(b"token"), require=True)

    other = with_stand_in(entry)

    assert (other.name, other.rules, other.replacement, other.require) == ("KEY", entry.rules, entry.replacement, True)
    assert (await other.source.get()).reveal() == "[secret:KEY]"


def test_a_name_of_anything_makes_a_value_that_fits_anywhere() -> None:
    assert stand_in_of("a b\r\n\0é\"<") == "[secret:a_b______]"
