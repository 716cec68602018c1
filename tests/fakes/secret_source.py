"""A secret source that yields what the test gives it, and counts how often it was asked."""

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.source import Secret


class FakeSource:
    """
    Yields `values` one after the other, the last one for ever; None is a failure.

    The same value again is the same `Secret` object, as the `Source` protocol asks.
    """

    def __init__(self, name: str, *values: str | None) -> None:
        self.name = name
        self.fetches = 0
        self.current: Secret | None = None      # always to be asked, so that every fetch is counted
        self._secrets = [None if value is None else Secret(name, value) for value in values]

    async def get(self) -> Secret:
        secret = self._secrets[min(self.fetches, len(self._secrets) - 1)]
        self.fetches += 1
        if secret is None:
            raise SecretUnavailable(f'fake source "{self.name}" has no value')
        return secret
