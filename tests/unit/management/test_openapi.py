"""The description of the API, held against the routes and against OpenAPI's own idea of a document."""

import re
from typing import Any

from tests.unit.management.called import FakeControl

from iron_proxy.management.api import calls_of
from iron_proxy.management.openapi import openapi_document


def test_it_describes_exactly_the_endpoints_that_there_are() -> None:
    paths = openapi_document()["paths"]

    described = {(path, method.upper()) for path, methods in paths.items() for method in methods}
    assert described == {(call.path, call.method) for call in calls_of(FakeControl())}


def test_every_reference_leads_somewhere() -> None:
    document = openapi_document()

    wanted = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert wanted <= document["components"]["schemas"].keys()


def test_every_answer_has_a_description() -> None:
    operations: list[dict[str, Any]] = [
        operation for methods in openapi_document()["paths"].values() for operation in methods.values()
    ]

    for operation in operations:
        assert operation["summary"]
        assert all(answer["description"] for answer in operation["responses"].values())
        assert {"401", "403", "405", "429"} <= operation["responses"].keys()
