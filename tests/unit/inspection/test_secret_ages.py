"""Secrets by name and age: of what is fetched, of what is read at the start, and before the first use."""

import time
from pathlib import Path

import pytest
from tests.unit.inspection.policies import PLAIN, allowlist, read

from iron_proxy.errors import SecretUnavailable
from iron_proxy.inspection.secret_ages import fetched_secrets, secret_ages
from iron_proxy.transforms.secrets.transform import SecretsTransform

SECRETS = """\
  - name: secrets
    config:
      secrets:
        - {source: {type: env, var: A}, proxy_value: long-enough-1, rules: [{host: a.test}]}
        - {source: {type: file, path: PATH, json_key: token}, proxy_value: long-enough-2, rules: [{host: a.test}]}
"""


async def test_a_fetched_secret_has_an_age_and_others_have_none(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text('{"token": "the real value"}')
    text = PLAIN + allowlist("{host: a.test}") + SECRETS.replace("PATH", str(path))
    _, _, pipeline = read(text, tmp_path)

    before = secret_ages(pipeline)
    assert [(each["name"], each["age_seconds"]) for each in before] == [("A", None), (str(path), None)]
    [transform] = [each for each in pipeline.transforms if isinstance(each, SecretsTransform)]
    await transform.entries[1].source.get()
    told = secret_ages(pipeline, lambda: time.monotonic() + 60)

    assert told[0]["age_seconds"] is None
    assert 60 <= told[1]["age_seconds"] < 70
    assert [each["source"] for each in told] == ["env A", f"file {path}, key token"]
    assert "the real value" not in str(told)


async def test_only_what_is_fetched_has_fetches_and_entries_of_one_name_are_one(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text('{"token": "the real value"}')
    twice = SECRETS + SECRETS.splitlines(keepends=True)[-1].replace("long-enough-2", "long-enough-3")
    _, _, pipeline = read(PLAIN + allowlist("{host: a.test}") + twice.replace("PATH", str(path)), tmp_path)
    [transform] = [each for each in pipeline.transforms if isinstance(each, SecretsTransform)]

    assert fetched_secrets(pipeline) == [(str(path), None, (0, 0))]

    await transform.entries[1].source.get()
    path.unlink()
    with pytest.raises(SecretUnavailable):
        await transform.entries[2].source.get()
    [secret] = fetched_secrets(pipeline, lambda: time.monotonic() + 60)

    assert (secret.name, secret.fetches) == (str(path), (1, 1))
    assert secret.age is not None
    assert 60 <= secret.age < 600
