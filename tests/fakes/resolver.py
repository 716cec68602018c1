"""A resolver for tests: names to addresses from a dict, with a record of what it was asked."""

from collections.abc import Callable, Mapping, Sequence

from iron_proxy.errors import UpstreamUnreachable

# A function is called once per lookup: names that change from one to the next (DNS rebinding).
Addresses = Sequence[str] | Callable[[], Sequence[str]]


class FakeResolver:
    """`resolve` of a name that is not in the dict fails as that of an unknown name does."""

    def __init__(self, names: Mapping[str, Addresses]) -> None:
        self._names = names
        self.asked: list[str] = []

    async def resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        addresses = self._names.get(host)
        if addresses is None:
            raise UpstreamUnreachable(f"lookup {host}: no such host")
        return list(addresses() if callable(addresses) else addresses)
