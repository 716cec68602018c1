"""
A transform written by the user: `name: python`, with `class: "package.module:Class"` and the class's own `config:`.

The class is a builder like the built-in ones: it is called with its configuration section and the context, and follows
`pipeline/transform.py`. Keys of `config:` that it does not read are reported for it. What its own code raises may
quote anything, so only the type of such an error is told. How it runs is `foreign_transform.py`.
"""

import inspect
from importlib import import_module
from typing import Any, NoReturn

from iron_proxy.config.section import Section
from iron_proxy.errors import ConfigError
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import Reject, Verdict
from iron_proxy.transforms.foreign_transform import DEFAULT_DEADLINE, ForeignTransform


class NotBuilt:
    """Stands in for a transform whose configuration has a problem. Never reached; rejects if it were."""

    name = "python"
    scopes = frozenset(Scope)

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Reject: a transform that could not be built must not let anything pass."""
        return Reject("the transform could not be built")


class UnusableTransform(ValueError):
    """Why code from outside cannot serve as a transform; a clause for the problem. Never foreign text."""


def build(section: Section, context: TransformContext) -> RequestTransform:
    """From `class`, `deadline` and `config`."""
    reference = section.required_text("class", "is required: the class as package.module:Class")
    deadline = section.duration("deadline", DEFAULT_DEADLINE, positive=True)
    settings = section.section_or_empty("config")
    section.finish()
    if not reference:
        return NotBuilt()
    try:
        return build_foreign(load_class(reference), settings, context, deadline)
    except UnusableTransform as unusable:
        section.problem("class", f'"{reference}": {unusable}')
        return NotBuilt()


def load_class(reference: str) -> Any:
    """The object that `package.module:Class` names. Raises UnusableTransform."""
    module_name, colon, attribute = reference.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise UnusableTransform("must be written package.module:Class")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise UnusableTransform(f"there is no module {error.name}; is it installed where iron-proxy runs?") from error
    except (Exception, SystemExit) as error:  # noqa: BLE001  # foreign code may raise anything
        refuse("importing the module", error)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UnusableTransform(f"the module has no {attribute}") from None


def build_foreign(
    builder: Any, settings: Section, context: TransformContext, deadline: float = DEFAULT_DEADLINE
) -> RequestTransform:
    """Call a foreign builder and check that what it returns follows the protocol. Raises UnusableTransform."""
    if not callable(builder):
        raise UnusableTransform("is not a class")
    try:
        transform = builder(settings, context)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  # foreign code may raise anything
        refuse("building the transform", error)
    settings.finish()
    _check_protocol(transform)
    return ForeignTransform(transform, deadline)


def _check_protocol(transform: Any) -> None:
    if not isinstance(transform, RequestTransform):
        missing = [part for part in ("name", "scopes", "on_request") if not hasattr(transform, part)]
        raise UnusableTransform(f"lacks {', '.join(missing)} of the transform protocol")
    if not isinstance(transform.name, str) or not transform.name:
        raise UnusableTransform("its name must be a text")
    if not isinstance(transform.scopes, frozenset) or not all(isinstance(scope, Scope) for scope in transform.scopes):
        raise UnusableTransform("its scopes must be a frozenset of Scope members")
    for method in ("on_request", "on_response", "aclose"):
        if hasattr(transform, method) and not inspect.iscoroutinefunction(getattr(transform, method)):
            raise UnusableTransform(f"its {method} must be an async function")


def refuse(what: str, error: Exception | SystemExit) -> NoReturn:
    """Raise UnusableTransform for an error of foreign code: its type, never its text."""
    raise UnusableTransform(f"{what} raised {type(error).__name__}") from error
