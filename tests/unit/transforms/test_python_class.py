"""A user's class enters by the same door, and what is wrong with it is told without its own words."""

import asyncio
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.section import Section
from iron_proxy.errors import ConfigError, TransformError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.transforms.foreign_transform import ForeignTransform
from iron_proxy.transforms.python_class import NotBuilt, build

CONTEXT = TransformContext(environment={"A": "b"}, max_request_body_bytes=None)
CANARY = "canary-secret"


class Greeting:
    name = "greeting"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, settings: Section, context: TransformContext) -> None:
        self.word = settings.text("word", "hello")
        self.context = context

    async def on_request(self, exchange: Exchange) -> Verdict:
        exchange.annotate("word", self.word)
        return CONTINUE


class Waiting(Greeting):
    async def on_request(self, exchange: Exchange) -> Verdict:
        await asyncio.Event().wait()
        return CONTINUE


class Exiting(Greeting):
    def __init__(self, settings: Section, context: TransformContext) -> None:
        sys.exit(CANARY)


class SynchronousClose(Greeting):
    def aclose(self) -> None:
        pass


class Raising(Greeting):
    def __init__(self, settings: Section, context: TransformContext) -> None:
        raise ValueError(CANARY)


class Complaining(Greeting):
    def __init__(self, settings: Section, context: TransformContext) -> None:
        raise ConfigError(["test.yaml: the word is missing"])


class Nameless(Greeting):
    name = ""


class Unscoped(Greeting):
    scopes = {Scope.REQUEST}  # type: ignore[assignment]  # noqa: RUF012  # the mistake under test


class Synchronous(Greeting):
    def on_request(self, exchange: Exchange) -> Verdict:  # type: ignore[override]  # the mistake under test
        return CONTINUE


class SynchronousResponse(Greeting):
    def on_response(self, exchange: Exchange) -> Verdict:
        return CONTINUE


def incomplete(settings: Section, context: TransformContext) -> Any:
    return SimpleNamespace(name="x")


@pytest.fixture(autouse=True)
def user_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("user_transforms")
    classes = (
        Greeting, Waiting, Raising, Exiting, Complaining, Nameless, Unscoped, Synchronous, SynchronousResponse,
        SynchronousClose,
    )  # fmt: skip
    for member in (*classes, incomplete):
        setattr(module, member.__name__, member)
    module.constant = 3  # type: ignore[attr-defined]  # a module of a user's holds anything
    monkeypatch.setitem(sys.modules, "user_transforms", module)


def section_of(yaml: str) -> Section:
    return parse_config(yaml, "test.yaml")


async def test_a_class_is_built_with_its_own_section_and_the_context() -> None:
    section = section_of('class: "user_transforms:Greeting"\nconfig: {word: ahoy}\n')
    exchange = Exchange(Request("GET", "https", Target("a.test", 443), b"/"))

    transform = build(section, CONTEXT)

    assert section.problems.errors == []
    assert isinstance(transform, ForeignTransform)
    assert isinstance(transform.inner, Greeting)
    assert transform.inner.context is CONTEXT
    assert await transform.on_request(exchange) is CONTINUE
    assert exchange.notes == {"word": "ahoy"}


def test_a_class_without_settings_gets_an_empty_section() -> None:
    section = section_of('class: "user_transforms:Greeting"\n')

    transform = build(section, CONTEXT)

    assert isinstance(transform, ForeignTransform)
    assert vars(transform.inner)["word"] == "hello"


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("deadline: soon", 'deadline: time: invalid duration "soon"'),
        ("deadline: -1s", "deadline: must be positive; got -1s"),
    ],
    ids=["no duration", "negative"],
)
def test_a_deadline_that_is_none_is_told(yaml: str, problem: str) -> None:
    section = section_of(f'class: "user_transforms:Greeting"\n{yaml}\n')

    build(section, CONTEXT)

    assert section.problems.errors == [f"test.yaml:2: {problem}"]


async def test_a_transform_that_waits_longer_than_its_deadline_fails_its_request() -> None:
    section = section_of('class: "user_transforms:Waiting"\ndeadline: 10ms\n')
    transform = build(section, CONTEXT)

    with pytest.raises(TransformError, match=r"took longer than 0\.01 s"):
        await transform.on_request(Exchange(Request("GET", "https", Target("a.test", 443), b"/")))


def test_a_key_that_the_class_does_not_read_is_reported() -> None:
    section = section_of('class: "user_transforms:Greeting"\nconfig: {wrod: ahoy}\n')

    build(section, CONTEXT)

    assert section.problems.errors == ['test.yaml:2: config.wrod: unknown key (did you mean "word"?)']


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        pytest.param("user_transforms.Greeting", "must be written package.module:Class", id="no colon"),
        pytest.param(".relative:Greeting", "must be written package.module:Class", id="relative"),
        pytest.param("user_transforms:a.b", "must be written package.module:Class", id="nested attribute"),
        pytest.param("no_such_module_at_all:X", "there is no module no_such_module_at_all", id="no module"),
        pytest.param("user_transforms:Absent", "the module has no Absent", id="no attribute"),
        pytest.param("user_transforms:constant", "is not a class", id="not callable"),
        pytest.param("user_transforms:Raising", "building the transform raised ValueError", id="raises"),
        pytest.param("user_transforms:Exiting", "building the transform raised SystemExit", id="ends the process"),
        pytest.param("user_transforms:SynchronousClose", "its aclose must be an async function", id="close not async"),
        pytest.param(
            "user_transforms:incomplete", "lacks scopes, on_request of the transform protocol", id="incomplete"
        ),
        pytest.param("user_transforms:Nameless", "its name must be a text", id="no name"),
        pytest.param("user_transforms:Unscoped", "its scopes must be a frozenset", id="scopes are a set"),
        pytest.param("user_transforms:Synchronous", "its on_request must be an async function", id="not async"),
        pytest.param(
            "user_transforms:SynchronousResponse", "its on_response must be an async function", id="response not async"
        ),
    ],
)
async def test_what_cannot_serve_is_told_without_foreign_words(reference: str, problem: str) -> None:
    section = section_of(f'class: "{reference}"\n')

    transform = build(section, CONTEXT)

    assert len(section.problems.errors) == 1
    assert section.problems.errors[0].startswith(f'test.yaml:1: class: "{reference}": {problem}')
    assert CANARY not in section.problems.errors[0]
    assert isinstance(transform, NotBuilt)


def test_a_module_that_fails_to_import_is_told_by_the_type_of_its_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "broken_transforms.py").write_text(f"raise RuntimeError('{CANARY}')\n")
    monkeypatch.syspath_prepend(tmp_path)
    section = section_of('class: "broken_transforms:X"\n')

    build(section, CONTEXT)

    assert section.problems.errors == [
        'test.yaml:1: class: "broken_transforms:X": importing the module raised RuntimeError'
    ]


def test_the_class_is_required() -> None:
    section = section_of("config: {}\n")

    build(section, CONTEXT)

    assert section.problems.errors == ["test.yaml:1: class: is required: the class as package.module:Class"]


def test_a_class_may_raise_a_config_error_of_its_own() -> None:
    with pytest.raises(ConfigError, match="the word is missing"):
        build(section_of('class: "user_transforms:Complaining"\n'), CONTEXT)


async def test_what_could_not_be_built_rejects() -> None:
    exchange = Exchange(Request("GET", "https", Target("a.test", 443), b"/"))

    assert isinstance(await NotBuilt().on_request(exchange), Reject)
