"""
The secrets of the policy in force, for `/v1/status`: what each is called, and how old its value is. Never a value.

A variable is read with the configuration and has no age of its own. Called by `runtime/controlled.py`.
"""

import time
from collections.abc import Callable
from typing import Any

from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.secret_sources.file import FileSource
from iron_proxy.secret_sources.json_key import JSONKeySource
from iron_proxy.secret_sources.registry import describe
from iron_proxy.secret_sources.source import Source
from iron_proxy.transforms.secrets.transform import SecretsTransform


def secret_ages(pipeline: Pipeline, clock: Callable[[], float] = time.monotonic) -> list[dict[str, Any]]:
    """
    `name` as in audit records, `source` as in the configuration, and `age_seconds` since the value was fetched.

    `age_seconds` is None before the first fetch, and for what is not fetched but read at the start. `clock` is that of
    the sources.
    """
    entries = [
        entry for each in pipeline.transforms if isinstance(each, SecretsTransform) for entry in each.entries
    ]
    return [
        {"name": entry.name, "source": describe(entry.source), "age_seconds": _age(entry.source, clock())}
        for entry in entries
    ]


def _age(source: Source, now: float) -> float | None:
    while isinstance(source, JSONKeySource):
        source = source.inner
    fetched_at = source.fetched_at if isinstance(source, FileSource) else None
    return None if fetched_at is None else round(now - fetched_at, 3)
