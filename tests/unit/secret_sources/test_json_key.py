"""`json_key`: one string out of a JSON object."""

import os
import traceback
from pathlib import Path

import pytest
from tests.fakes.secret_source import FakeSource

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.file import FileSource
from iron_proxy.secret_sources.json_key import JSONKeySource


async def test_the_value_at_the_key_is_the_secret() -> None:
    source = JSONKeySource(FakeSource("prod/openai", '{"api_key": "sk-from-json", "other": "ignored"}'), "api_key")

    secret = await source.get()

    assert (secret.name, secret.reveal()) == ("prod/openai", "sk-from-json")
    assert await source.get() is secret


async def test_a_new_document_gives_a_new_value() -> None:
    source = JSONKeySource(FakeSource("n", '{"k": "one"}', '{"k": "two"}'), "k")

    assert [(await source.get()).reveal() for _ in range(2)] == ["one", "two"]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("canary", "secret value is not valid JSON: Expecting value at character 0"),
        ("canary\\", "secret value is not valid JSON: "),
        ('["canary"]', "secret value is not valid JSON: it is not an object"),
        ('"canary"', "secret value is not valid JSON: it is not an object"),
        ("[" * 100_000 + '"canary"', "secret value is not valid JSON: RecursionError"),
        ('{"k": ' + "1" * 5000 + ', "canary": 1}', "secret value is not valid JSON: ValueError"),
        ('{"canary": "x"}', 'key "k" not found in JSON'),
        ('{"k": 1, "x": "canary"}', 'key "k" is not a string (type float64)'),
        ('{"k": true, "x": "canary"}', 'key "k" is not a string (type bool)'),
        ('{"k": null, "x": "canary"}', 'key "k" is not a string (type <nil>)'),
        ('{"k": ["canary"]}', 'key "k" is not a string (type []interface {})'),
        ('{"k": {"x": "canary"}}', 'key "k" is not a string (type map[string]interface {})'),
        ('{"k": "", "x": "canary"}', 'key "k" is an empty string'),
        ('{"k": "canary\\ud800"}', 'key "k" holds half a character (a lone surrogate)'),
    ],
    ids=[
        "text", "cut", "array", "string", "deep", "long number", "absent", "number", "bool", "null", "list", "object",
        "empty", "surrogate",
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_without_the_document(document: str, problem: str) -> None:
    source = JSONKeySource(FakeSource("n", document), "k")

    with pytest.raises(SecretUnavailable) as failure:
        await source.get()

    assert str(failure.value).startswith(f'extracting json_key "k" from secret "n": {problem}')
    assert failure.value.__context__ is None
    assert "canary" not in "".join(traceback.format_exception(failure.value))


async def test_a_failing_inner_source_is_reported_as_it_is() -> None:
    with pytest.raises(SecretUnavailable, match='fake source "n" has no value'):
        await JSONKeySource(FakeSource("n", None), "k").get()


async def test_the_current_value_is_that_of_the_current_document() -> None:
    inner = FakeSource("n", '{"k": "one"}')
    source = JSONKeySource(inner, "k")
    assert source.current is None

    secret = await source.get()
    inner.current = await inner.get()

    assert source.current is secret
    inner.current = None
    assert source.current is None


async def test_the_age_of_the_document_is_the_age_of_the_value(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_text('{"k": "one"}')
    os.utime(path, (1, 1_000_000))

    secret = await JSONKeySource(FileSource(str(path)), "k").get()

    assert secret.changed_at == 1_000_000


async def test_closing_closes_the_inner_source() -> None:
    closed: list[str] = []

    class Closable(FakeSource):
        async def aclose(self) -> None:
            closed.append(self.name)

    await JSONKeySource(Closable("n", "{}"), "k").aclose()
    await JSONKeySource(FakeSource("m", "{}"), "k").aclose()

    assert closed == ["n"]
