"""
Name in YAML → the builder of the transform; the one table of what exists.

A builder is imported when its name is first configured. A name that is not in the table is looked up in the
entry-point group `iron_proxy.transforms`, where installed packages offer builders of the same signature. Called by the
composition root with the `transforms:` list.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol

from iron_proxy.config.problems import did_you_mean
from iron_proxy.config.section import Section
from iron_proxy.errors import ConfigError
from iron_proxy.pipeline.transform import RequestTransform, TransformBuilder, TransformContext
from iron_proxy.transforms.foreign_transform import DEFAULT_DEADLINE
from iron_proxy.transforms.python_class import UnusableTransform, build_foreign, refuse

BUILT_IN: Mapping[str, str] = {
    "allowlist": "iron_proxy.transforms.allowlist:build",
    "annotate": "iron_proxy.transforms.annotate:build",
    "body_capture": "iron_proxy.transforms.body_capture:build",
    "header_allowlist": "iron_proxy.transforms.header_allowlist:build",
    "python": "iron_proxy.transforms.python_class:build",
    "secrets": "iron_proxy.transforms.secrets.transform:build",
}

# Upstream's names that we do not serve yet. Recognised, so that nobody looks for a spelling mistake.
NOT_YET = frozenset(("aws_auth", "gcp_auth", "gcp_id_token", "grpc", "hmac_sign", "judge", "oauth_token"))

ENTRY_POINT_GROUP = "iron_proxy.transforms"


class ConfiguredTransform(Protocol):
    """One element of `transforms:`."""

    @property
    def name(self) -> str:
        """The transform's name in the YAML."""
        ...

    @property
    def section(self) -> Section:
        """Its `config:`; an empty section when absent."""
        ...

    @property
    def line(self) -> int | None:
        """Where the element begins in the file."""
        ...


def build_transforms(configured: Iterable[ConfiguredTransform], context: TransformContext) -> list[RequestTransform]:
    """
    Build every transform, in order. What is wrong is noted on the sections' problems, all of it.

    After a noted error the list is of no use: the caller raises (`Problems.raise_if_any`).
    """
    transforms = []
    for index, config in enumerate(configured):
        problems = config.section.problems
        try:
            transforms.append(builder_for(config.name)(config.section, context))
        except ConfigError as error:
            problems.errors.extend(error.problems)
        except UnusableTransform as error:
            problems.error(config.line, f"transforms[{index}].name", str(error))
    return transforms


def builder_for(name: str) -> TransformBuilder:
    """The builder for a name. Raises UnusableTransform with a sentence when there is none."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        builder: TransformBuilder = getattr(import_module(module), attribute)
        return builder
    if name in NOT_YET:
        raise UnusableTransform(f'transform "{name}" is not available in this version')
    offered = _offered_builder(name)
    if offered is None:
        known = ", ".join(sorted(BUILT_IN))
        hint = did_you_mean(name, BUILT_IN)
        # Parity: upstream says it twice; harnesses look for either half.
        raise UnusableTransform(f'unknown transform "{name}": unknown transform: "{name}"{hint}; known: {known}')
    return offered


def _offered_builder(name: str) -> TransformBuilder | None:
    """The builder that an installed package offers; asked only for names that are not built in."""
    offers = tuple(entry_points(group=ENTRY_POINT_GROUP, name=name))
    if not offers:
        return None
    if len(offers) > 1:
        raise UnusableTransform(f'transform "{name}" is offered by several installed packages; keep one')

    def build(section: Section, context: TransformContext) -> RequestTransform:
        try:
            builder = offers[0].load()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # foreign code may raise anything
            refuse(f'transform "{name}": importing its package', error)
        # The one key that is not the transform's own.
        deadline = section.duration("deadline", DEFAULT_DEADLINE, positive=True)
        try:
            return build_foreign(builder, section, context, deadline)
        except UnusableTransform as unusable:
            raise UnusableTransform(f'transform "{name}": {unusable}') from unusable

    return build
