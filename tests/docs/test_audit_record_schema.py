"""The published schema of audit records is the code's, and what is really written fits it."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no types in it
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.docs.audit_record_schema import FILE, record_schema, schema_text
from tests.docs.pages import REFERENCE, fenced_blocks
from tests.fakes.served import GET, OK, Served
from tests.fakes.transforms import FakeAllowlist
from tests.unit.audit.logs import whole_log
from tests.unit.audit.records import record_of

from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.outcome import ClientGone, Failed, Rejected, Stubbed
from iron_proxy.audit.signing import Signer
from iron_proxy.audit.trail import loss_record

VALIDATOR = jsonschema.Draft202012Validator(record_schema())
PAGE = (REFERENCE / "audit-log.md").read_text(encoding="utf-8")


def faults(line: bytes | dict[str, Any]) -> list[str]:
    fields = line if isinstance(line, dict) else json.loads(line)
    return [error.message for error in VALIDATOR.iter_errors(fields)]


def test_the_published_schema_is_the_codes() -> None:
    if os.environ.get("WRITE_AUDIT_SCHEMA"):
        FILE.write_text(schema_text(), encoding="utf-8")

    assert FILE.read_text(encoding="utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(record_schema())


OUTCOMES = [
    None, Rejected(403, "no", "allowlist"), Rejected(400, "bad"), Stubbed(200, "stub"), Failed(502, "x"), ClientGone(),
]  # fmt: skip


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
def test_every_outcome_fits(outcome: Any) -> None:
    assert faults(seed_envelope(record_of(outcome))) == []


async def test_the_records_of_requests_that_were_served_fit() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.services.records_sessions = True
        proxy.answers(OK)
        for raw in (GET, b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", b"nonsense\r\n\r\n"):
            client = proxy.open()
            client.send(raw)
            await client.receive_until(b"\r\n\r\n")
        records = await proxy.records()

    assert len(records) == 3
    assert [fault for record in records for fault in faults(record)] == []


def test_the_lines_of_a_signed_chain_fit() -> None:
    lines = whole_log(3, Signer(Ed25519PrivateKey.generate()), sign_every=2)

    assert [fault for line in lines for fault in faults(line)] == []


def test_what_is_told_of_losses_fits() -> None:
    assert faults(seed_envelope(loss_record(3))) == []


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_the_page_shows_fits(number: int) -> None:
    assert faults(json.loads(fenced_blocks(PAGE, "json")[number])) == []


@pytest.mark.parametrize(
    ("change", "value"),
    [("phase", "half"), ("msg", "other"), ("status_code", "200"), ("invented", 1), ("request_transforms", [{"a": 1}])],
)
def test_a_line_that_is_not_one_of_ours_does_not_fit(change: str, value: Any) -> None:
    fields = json.loads(seed_envelope(record_of()))

    assert faults({**fields, change: value})


def test_every_field_has_a_description() -> None:
    bare = [
        name
        for record in record_schema()["oneOf"]
        for name, field in record["properties"].items()
        if "description" not in field and name not in ("msg", "seq", "prev", "hash")
    ]

    assert bare == []
    assert Path(FILE).name in PAGE
