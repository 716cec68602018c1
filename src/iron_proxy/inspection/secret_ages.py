"""
The secrets of the policy in force: what each is called, how old its value is, how fetching it went. Never a value.

A variable is read with the configuration: it is not fetched, and has no age of its own. Called for `/v1/status`
(`runtime/controlled.py`) and for `/metrics` (`runtime/metrics_part.py`).
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.secret_sources.json_key import JSONKeySource
from iron_proxy.secret_sources.registry import describe
from iron_proxy.secret_sources.source import FetchedSource, Fetches, Source
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.transform import SecretsTransform


class FetchedSecret(NamedTuple):
    """All entries of one name: the age of the oldest value in seconds (None before the first), and all fetches."""

    name: str
    age: float | None
    fetches: Fetches


def secret_ages(pipeline: Pipeline, clock: Callable[[], float] = time.monotonic) -> list[dict[str, Any]]:
    """
    `name` as in audit records, `source` as in the configuration, and `age_seconds` since the value was fetched.

    `age_seconds` is None before the first fetch, and for what is not fetched but read at the start. `clock` is that of
    the sources.
    """
    now = clock()
    return [
        {"name": entry.name, "source": describe(entry.source), "age_seconds": _rounded(_age(_fetched(entry), now))}
        for entry in _entries(pipeline)
    ]


def fetched_secrets(pipeline: Pipeline, clock: Callable[[], float] = time.monotonic) -> list[FetchedSecret]:
    """Those that are fetched, by name, in the order of the configuration. `clock` is that of the sources."""
    now = clock()
    found: dict[str, FetchedSecret] = {}
    for entry in _entries(pipeline):
        source = _fetched(entry)
        if source is not None:
            secret = FetchedSecret(entry.name, _age(source, now), source.fetches)
            found[entry.name] = _joined(found[entry.name], secret) if entry.name in found else secret
    return list(found.values())


def _entries(pipeline: Pipeline) -> Iterator[Entry]:
    for transform in pipeline.transforms:
        if isinstance(transform, SecretsTransform):
            yield from transform.entries


def _fetched(entry: Entry) -> FetchedSource | None:
    source: Source = entry.source
    while isinstance(source, JSONKeySource):
        source = source.inner
    return source if isinstance(source, FetchedSource) else None


def _age(source: FetchedSource | None, now: float) -> float | None:
    fetched_at = None if source is None else source.fetched_at
    return None if fetched_at is None else now - fetched_at


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _joined(one: FetchedSecret, other: FetchedSecret) -> FetchedSecret:
    ages = [age for age in (one.age, other.age) if age is not None]
    fetches = Fetches(*map(sum, zip(one.fetches, other.fetches, strict=True)))
    return FetchedSecret(one.name, max(ages, default=None), fetches)
