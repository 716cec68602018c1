"""
The `env` source: an environment variable of the proxy, read when first needed.

A variable that is unset when the configuration is read is no error, as it may not be needed: the process log warns.
Built by `registry.py`, and by the secrets transform for its oldest configuration form.
"""

import logging
from collections.abc import Mapping

from iron_proxy.config.section import Section
from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.source import Secret

_log = logging.getLogger("iron_proxy.secrets")


class EnvironmentSource:
    """One variable. The first value found is kept: an environment does not change under a running process."""

    __slots__ = ("_environment", "current", "name")

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._environment = environment
        self.current: Secret | None = None

    @classmethod
    def from_section(cls, section: Section, environment: Mapping[str, str]) -> "EnvironmentSource":
        """Read `var`. Warns in the process log while the variable has no value."""
        name = section.text("var")
        if not name:
            section.problem(None, 'env source requires "var" field')
        # Parity: lifetimes may be written here and mean nothing, since an environment does not change.
        section.text("ttl")
        section.text("failure_ttl")
        return cls.with_warning(name, environment)

    @classmethod
    def with_warning(cls, name: str, environment: Mapping[str, str]) -> "EnvironmentSource":
        """Build the source; warn in the process log when the variable has no value yet."""
        if name and not environment.get(name):
            _log.warning("secret source has no value yet", extra={"fields": {"secret": name}})
        return cls(name, environment)

    async def get(self) -> Secret:
        """The variable's value. Raises SecretUnavailable while it is unset or empty."""
        if self.current is None:
            value = self._environment.get(self.name)
            if not value:
                raise SecretUnavailable(f'env var "{self.name}" is not set or empty')
            self.current = Secret(self.name, value)
        return self.current
