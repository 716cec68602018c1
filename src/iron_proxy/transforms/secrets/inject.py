"""
Inject mode: the secret is set as a header or a query parameter, whatever the client sent under that name.

One of the few places where a secret's text is revealed; what the formatter made of it is kept for as long as the
source yields the same secret.
"""

import base64
from typing import Protocol

from iron_proxy.go_compat.text_template import Template
from iron_proxy.messages.headers import InvalidHeader
from iron_proxy.messages.request import Request
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.query import set_parameter
from iron_proxy.transforms.secrets.unfit import unfit_for_header


class Injection(Protocol):
    """Where a secret goes. One instance serves all requests."""

    location: str

    def apply(self, request: Request, secret: Secret) -> None:
        """Put the secret into the request. Raises TransformError when it cannot stand there."""
        ...


class Formatter:
    """From a secret to the bytes that are sent: `{{ .Value }}` in a template, or the value itself."""

    __slots__ = ("_rendered", "_secret", "_template")

    def __init__(self, template: Template | None = None) -> None:
        self._template = template
        self._secret: Secret | None = None
        self._rendered = b""

    @classmethod
    def parse(cls, text: str) -> "Formatter":
        """Read a template; an empty one is the value itself. Raises ValueError."""
        if not text:
            return cls()
        template = Template.parse(text, fields={"Value"}, functions={"base64": _base64})
        # Half a character in a literal would show only when rendered, in an error that quotes the secret around it.
        template.render({"Value": ""}).encode()
        return cls(template)

    def render(self, secret: Secret) -> bytes:
        """The bytes to send."""
        if secret is not self._secret:
            value = secret.reveal()
            text = value if self._template is None else self._template.render({"Value": value})
            self._rendered = text.encode("utf-8", "surrogateescape")
            self._secret = secret
        return self._rendered


class HeaderInjection:
    """
    One header in the operator's spelling; every spelling of the client's own goes.

    Also one with `_` for `-`, which CGI and what comes after it (WSGI, Rack, PHP) cannot tell from ours, and a trailer,
    which a server may merge into the fields (RFC 9110 section 6.5.1).
    """

    __slots__ = ("_formatter", "_name", "_twins", "location")

    def __init__(self, name: str, formatter: Formatter) -> None:
        self.location = f"header:{name}"
        self._name = name.encode("ascii")
        self._twins = self._name.lower().replace(b"_", b"-")
        self._formatter = formatter

    def apply(self, request: Request, secret: Secret) -> None:
        """Set the header. Raises TransformError for a value with control characters."""
        try:
            request.headers.remove_where(self._is_twin)
            request.body.leave_out_trailers(self._is_twin)
            request.headers.set(self._name, self._formatter.render(secret))
            request.sensitive |= {self._name.lower()}
        except InvalidHeader:
            raise unfit_for_header(secret, self._name) from None

    def _is_twin(self, name: bytes) -> bool:
        return len(name) == len(self._twins) and name.lower().replace(b"_", b"-") == self._twins


class QueryInjection:
    """One query parameter; its other values go, the rest of the query keeps its bytes."""

    __slots__ = ("_formatter", "_name", "location")

    def __init__(self, name: str, formatter: Formatter) -> None:
        self.location = f"query:{name}"
        self._name = name
        self._formatter = formatter

    def apply(self, request: Request, secret: Secret) -> None:
        """Set the parameter; whatever the value holds is escaped."""
        request.raw_query = set_parameter(request.raw_query, self._name, self._formatter.render(secret))


def _base64(*parts: str) -> str:
    return base64.b64encode("".join(parts).encode("utf-8", "surrogateescape")).decode("ascii")
