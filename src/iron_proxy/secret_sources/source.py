"""
`Secret`, a real credential that cannot print itself, and `Source`, which yields one when asked.

How long a value stays fresh is `expiring_value.py`; which source a configuration names is `registry.py`. The text of
a secret leaves through `reveal` only, and a structure test lists the few files that may call it. That the log must not
hold it is known to `known_values.py` from the start.
"""

from typing import NamedTuple, NoReturn, Protocol, runtime_checkable

from iron_proxy.secret_sources.known_values import KNOWN_VALUES


class Secret:
    """
    A real credential. It can be revealed on purpose; it cannot be printed, compared, hashed, copied or pickled.

    `name` is what the audit record shows. `remedy` tells the operator what to do where the value cannot stand (say, a
    file that ends in a newline); it never holds any of the value. `changed_at` is when its place was last written, in
    seconds since the epoch; None where a place does not tell.
    """

    __slots__ = ("__weakref__", "_value", "changed_at", "name", "remedy")

    def __init__(self, name: str, value: str, remedy: str = "", changed_at: float | None = None) -> None:
        self.name = name
        self.remedy = remedy
        self.changed_at = changed_at
        self._value = value
        KNOWN_VALUES.add(self, name, value)

    def reveal(self) -> str:
        """The real value. Bytes that are not UTF-8 are surrogates, as in `os.environ`."""
        return self._value

    def __repr__(self) -> str:
        return f"<Secret {self.name}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    # An equality that answers is an oracle for whoever can call it; without __eq__ there is no __hash__ either.
    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("a Secret is not to be compared")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not to be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not to be pickled or copied")


def holds_line_breaks(value: str) -> bool:
    """Whether a value holds CR, LF or NUL, which would end a header field, or a whole message."""
    return any(character in value for character in "\r\n\0")


class Source(Protocol):
    """One place that a secret comes from. Shared by all requests."""

    @property
    def name(self) -> str:
        """What audit records and errors call it; never a value."""
        ...

    @property
    def current(self) -> Secret | None:
        """What `get` would answer without waiting; None when `get` has to be asked."""
        ...

    async def get(self) -> Secret:
        """
        The value now. Raises SecretUnavailable, whose message names the source.

        The same object as before means the same value, so that callers may keep what they derived from it.
        """
        ...


class Fetches(NamedTuple):
    """How often a value was asked for where it comes from, and how that ended."""

    succeeded: int
    failed: int


@runtime_checkable
class FetchedSource(Protocol):
    """A source whose value is fetched while the proxy runs, and so has an age."""

    @property
    def fetched_at(self) -> float | None:
        """When that succeeded last, by the source's clock; None before the first time."""
        ...

    @property
    def fetches(self) -> Fetches:
        """So far."""
        ...


@runtime_checkable
class ClosableSource(Protocol):
    """A source that may be at work when nobody asks it: it refreshes its value in the background."""

    async def aclose(self) -> None:
        """End that work. The source may be asked again afterwards."""
        ...


async def close_source(source: Source | None) -> None:
    """Close a source that has something to close."""
    if isinstance(source, ClosableSource):
        await source.aclose()
