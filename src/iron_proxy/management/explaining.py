"""`/v1/explain`: what the policy in force would do with a request that nobody has sent, by `inspection/`."""

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from iron_proxy.inspection.explanation import Explanation, Setting, explain
from iron_proxy.management.answers import json_answer
from iron_proxy.management.control import Control
from iron_proxy.management.request_body import BadCall, read_json
from iron_proxy.proxy.services import Services

# Transforms from outside run as for a real request, and may wait for something.
EXPLAIN_SECONDS: Final = 10.0


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """A made-up request. Header fields in their order, a field more than once if need be; a mapping serves as well."""

    method: str
    url: str
    headers: list[tuple[str, str]] | dict[str, str] = []
    client: str = ""                             # one of the names under `clients:`
    body: str = ""


async def answer_explain(control: Control, request: Request) -> Response:
    """An `Explanation` as JSON. Raises BadCall for a question that makes no sense."""
    question = await read_json(request, Question)
    services = control.services
    if question.client and not services.snapshot.clients.includes(question.client):
        raise BadCall(400, "client: there is no client of this name")
    with services.in_use():
        try:
            async with asyncio.timeout(EXPLAIN_SECONDS):
                return json_answer(await _explained(services, question))
        except ValueError as error:
            raise BadCall(400, str(error)) from error
        except TimeoutError as error:
            raise BadCall(504, "a transform did not answer in time") from error


async def _explained(services: Services, question: Question) -> Explanation:
    fields = question.headers.items() if isinstance(question.headers, dict) else question.headers
    snapshot = services.snapshot
    return await explain(
        snapshot.pipeline,
        question.method,
        question.url,
        tuple(fields),
        question.client,
        question.body.encode(),
        Setting(services.deny_list, snapshot.passes_through, snapshot.require_client),
    )
