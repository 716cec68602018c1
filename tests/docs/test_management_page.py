"""The page of the management API names what there is: every endpoint, every key of an answer, every number."""

import re

from tests.docs.pages import REFERENCE, mentions
from tests.unit.management.called import FakeControl

from iron_proxy.management import access, audit_feed, audit_stream, live_connections, page_server, request_body
from iron_proxy.management.api import calls_of
from iron_proxy.management.explaining import Question
from iron_proxy.management.openapi import openapi_document

PAGE = (REFERENCE / "management-api.md").read_text(encoding="utf-8")


def test_every_endpoint_is_in_the_table_and_no_other() -> None:
    shown = set(re.findall(r"^\| `(\w+) (/v1/[\w./]+)` \|", PAGE, re.MULTILINE))

    assert shown == {(call.method, call.path) for call in calls_of(FakeControl())}


def test_every_key_of_an_answer_is_told() -> None:
    shapes = openapi_document()["components"]["schemas"]
    wanted = {*shapes["Status"]["properties"], *shapes["Status"]["properties"]["audit"]["properties"]}
    wanted |= set(shapes["Connections"]["properties"]["connections"]["items"]["properties"])
    wanted |= {*shapes["Reloaded"]["properties"], *Question.__struct_fields__}

    assert [key for key in sorted(wanted) if not mentions(PAGE, key)] == []


def test_the_numbers_are_those_of_the_code() -> None:
    assert (access.FAILURES_AT_ONCE, access.SECONDS_PER_FAILURE) == (10, 6.0)
    assert "ten wrong keys" in PAGE
    assert "every six seconds" in PAGE
    assert f"{audit_feed.MAX_QUEUED:,} records or {audit_feed.MAX_QUEUED_BYTES >> 20} MiB" in PAGE
    assert f"{audit_feed.MAX_WATCHERS} watchers" in PAGE
    assert (audit_stream.HEARTBEAT_SECONDS, audit_stream.SEND_SECONDS) == (15.0, 30.0)
    assert f"{request_body.MAX_BODY_BYTES >> 20} MiB" in PAGE
    assert (live_connections.MAX_SHOWN, page_server.HEAD_SECONDS) == (1000, 10.0)
