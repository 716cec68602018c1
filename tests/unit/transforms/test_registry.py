"""Names lead to builders; every problem of every transform is told."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.section import Section
from iron_proxy.errors import ConfigError
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Verdict
from iron_proxy.transforms import registry
from iron_proxy.transforms.foreign_transform import ForeignTransform
from iron_proxy.transforms.python_class import UnusableTransform
from iron_proxy.transforms.registry import BUILT_IN, NOT_YET, build_transforms, builder_for

CONTEXT = TransformContext(environment={}, max_request_body_bytes=None)


@dataclass(frozen=True)
class Configured:
    name: str
    section: Section
    line: int | None


def configured(yaml: str) -> list[Configured]:
    root = parse_config(yaml, "test.yaml")
    return [
        Configured(part.text("name"), part.section_or_empty("config"), part.line)
        for part in root.sections("transforms")
    ]


def errors_of(yaml: str) -> list[str]:
    configs = configured(yaml)
    build_transforms(configs, CONTEXT)
    return configs[0].section.problems.errors


class Offered:
    name = "offered"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section: Section, context: TransformContext) -> None:
        self.word = section.text("word")

    async def on_request(self, exchange: Exchange) -> Verdict:
        return CONTINUE


def offer(monkeypatch: pytest.MonkeyPatch, *references: str) -> list[str]:
    asked: list[str] = []

    def entry_points(*, group: str, name: str) -> EntryPoints:
        asked.append(f"{group} {name}")
        return EntryPoints(EntryPoint(name, reference, group) for reference in references)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return asked


def test_transforms_are_built_in_the_order_of_the_file() -> None:
    transforms = build_transforms(
        configured(
            "transforms:\n"
            "  - {name: header_allowlist, config: {headers: [Accept]}}\n"
            "  - {name: allowlist, config: {domains: [a.test]}}\n"
            "  - {name: body_capture}\n"
            "  - {name: annotate, config: {annotations: [{rules: [{host: a}], headers: [b]}]}}\n"
            "  - {name: allowlist, config: {domains: [b.test]}}\n"
        ),
        CONTEXT,
    )

    assert [transform.name for transform in transforms] == [
        "header_allowlist",
        "allowlist",
        "body_capture",
        "annotate",
        "allowlist",
    ]
    assert all(isinstance(transform, RequestTransform) for transform in transforms)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_name_in_the_table_has_a_builder(name: str) -> None:
    if name == "secrets":
        pytest.importorskip("iron_proxy.transforms.secrets.transform")

    assert callable(builder_for(name))


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_a_name_of_a_later_version_is_recognised(name: str) -> None:
    assert errors_of(f"transforms:\n  - name: {name}\n") == [
        f'test.yaml:2: transforms[0].name: transform "{name}" is not available in this version'
    ]


def test_an_unknown_name_is_told_with_the_nearest_and_all_known_ones() -> None:
    (error,) = errors_of("transforms:\n  - name: alowlist\n")

    assert error.startswith(
        'test.yaml:2: transforms[0].name: unknown transform "alowlist": unknown transform: "alowlist"'
        ' (did you mean "allowlist"?); known: allowlist, annotate, body_capture, '
    )


def test_the_problems_of_all_transforms_are_told() -> None:
    errors = errors_of(
        "transforms:\n  - name: nonsense\n  - {name: allowlist, config: {cidrs: [x]}}\n  - {name: header_allowlist}\n"
    )

    assert [error.split(": ")[1] for error in errors] == [
        "transforms[0].name",
        "transforms[1].config.cidrs[0]",
        "transforms[2].config.headers",
    ]


def test_a_builder_that_raises_config_errors_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(section: Section, context: TransformContext) -> RequestTransform:
        raise ConfigError(["one", "two"])

    monkeypatch.setattr("iron_proxy.transforms.annotate.build", refusing)

    errors = errors_of("transforms:\n  - name: annotate\n  - name: judge\n")

    assert errors[:2] == ["one", "two"]
    assert len(errors) == 3


# --- entry points ---------------------------------------------------------------------------------------------------


def test_an_installed_package_offers_a_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = offer(monkeypatch, f"{__name__}:Offered")
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(Offered=Offered))

    (transform,) = build_transforms(configured("transforms: [{name: mine, config: {word: x}}]"), CONTEXT)

    assert asked == ["iron_proxy.transforms mine"]
    assert isinstance(transform, ForeignTransform)
    assert isinstance(transform.inner, Offered)
    assert transform.inner.word == "x"


def test_the_deadline_of_an_offered_transform_stands_beside_its_own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:Offered")
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(Offered=Offered))

    (transform,) = build_transforms(configured("transforms: [{name: mine, config: {word: x, deadline: 1m}}]"), CONTEXT)

    assert vars(transform)["_deadline"] == 60.0


def test_packages_are_not_asked_for_a_built_in_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = offer(monkeypatch)

    builder_for("allowlist")
    with pytest.raises(UnusableTransform):
        builder_for("judge")

    assert asked == []


def test_two_packages_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "a:b", "c:d")

    with pytest.raises(UnusableTransform, match="offered by several installed packages"):
        builder_for("mine")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        pytest.param("no_such_module_at_all:X", "importing its package raised ModuleNotFoundError", id="import"),
        pytest.param("string:digits", "is not a class", id="not callable"),
        pytest.param("builtins:max", "building the transform raised TypeError", id="raises"),
    ],
)
def test_an_offer_that_cannot_serve_is_told(monkeypatch: pytest.MonkeyPatch, reference: str, problem: str) -> None:
    offer(monkeypatch, reference)

    assert errors_of("transforms: [{name: mine}]") == [f'test.yaml:1: transforms[0].name: transform "mine": {problem}']
