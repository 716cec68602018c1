"""
The `env` source: an environment variable of the proxy, read when first needed.

A variable that is unset when the configuration is read is no error, as it may not be needed: the process log warns. So
it does of a value that cannot stand in a header.
Built by `registry.py`, and by the secrets transform for its oldest configuration form.
"""

import logging
from collections.abc import Mapping

from iron_proxy.config.section import Section
from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.source import Secret, holds_line_breaks

_REMEDY = "the variable holds a line break or a NUL: set it without (`$(cat FILE)` leaves the last line break out)"

_log = logging.getLogger("iron_proxy.secrets")


class EnvironmentSource:
    """One variable. The first value found is kept: an environment does not change under a running process."""

    __slots__ = ("_environment", "_secret", "name")

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._environment = environment
        self._secret: Secret | None = None

    @classmethod
    def from_section(cls, section: Section, environment: Mapping[str, str]) -> "EnvironmentSource":
        """Read `var`. Warns in the process log of a value that is missing or doubtful."""
        name = section.text("var")
        if not name:
            section.problem(None, 'env source requires "var" field')
        # Parity: lifetimes may be written here and mean nothing, since an environment does not change.
        section.text("ttl")
        section.text("failure_ttl")
        # A JSON document may have as many lines as it likes.
        return cls.with_warning(name, environment, section.path, may_have_lines=section.has("json_key"))

    @classmethod
    def with_warning(
        cls, name: str, environment: Mapping[str, str], place: str = "", *, may_have_lines: bool = False
    ) -> "EnvironmentSource":
        """Build the source; warn in the process log when the variable has no value yet, or one with line breaks."""
        value = environment.get(name)
        if name and not value:
            _log.warning("secret source has no value yet", extra={"fields": {"secret": name}})
        elif value and not may_have_lines and holds_line_breaks(value):
            fields = {"secret": name, "remedy": _REMEDY} | ({"place": place} if place else {})
            _log.warning("secret cannot stand in a header", extra={"fields": fields})
        return cls(name, environment)

    @property
    def current(self) -> Secret | None:
        """The variable's value; None while it is unset or empty."""
        if self._secret is None:
            value = self._environment.get(self.name)
            if value:
                self._secret = Secret(self.name, value, _REMEDY if holds_line_breaks(value) else "")
        return self._secret

    async def get(self) -> Secret:
        """The variable's value. Raises SecretUnavailable while it is unset or empty."""
        secret = self.current
        if secret is None:
            raise SecretUnavailable(f'env var "{self.name}" is not set or empty')
        return secret
