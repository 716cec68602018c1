"""The page of the summary shows an object as it is written, and says what each of its keys is."""

import json
from typing import Any

import pytest
from tests.docs.pages import fenced_blocks, mentions, text_of
from tests.unit.session.test_tally import denied, event, request

from iron_proxy.jail.refused import Refusal
from iron_proxy.session.summary import Ending, as_json
from iron_proxy.session.tally import Tally

PAGE = "docs/reference/run-summary.md"


def full_summary() -> dict[str, Any]:
    tally = Tally()
    traces = [{"name": "secrets", "annotations": {"swapped": [{"secret": "API_KEY"}]}}]
    for record in (
        request(request_transforms=traces),
        denied(),
        request(action="error", error="gone"),
        event("dns", host="x.test"),
        event("handshake", reason="no"),
    ):
        tally.take(record)
    return as_json(tally, Ending(0, 1.0, refused={Refusal("tcp", "192.0.2.1", 22): 1}))


def shape_of(value: Any, key: str = "") -> Any:
    """The keys at every depth; of a list the first element's. What is keyed by names is a leaf."""
    if isinstance(value, dict) and key != "secrets":
        return {name: shape_of(each, name) for name, each in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape_of(value[0])]
    return None


def test_the_object_that_is_shown_has_the_keys_that_are_written() -> None:
    shown = json.loads(fenced_blocks(text_of(PAGE), "json")[0])

    assert shape_of(shown) == shape_of(full_summary())


@pytest.mark.parametrize("key", sorted(full_summary()))
def test_every_key_is_explained(key: str) -> None:
    assert mentions(text_of(PAGE), key)
