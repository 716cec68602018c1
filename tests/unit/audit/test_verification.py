"""Every change, cut, addition and move is found, and told with its line; a whole log is whole."""

import io
import json
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.audit.logs import EDITS, signature, whole_log
from tests.unit.audit.records import record_of

from iron_proxy.audit.chain import Chain
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import audit_event
from iron_proxy.audit.signing import Signer, Verifier
from iron_proxy.audit.verification import MAX_FINDINGS, MAX_LINE_BYTES, Allowances, Result, Verification, in_order

KEY = Ed25519PrivateKey.generate()
SIGNER, VERIFIER = Signer(KEY), Verifier(KEY.public_key())


def verified(*files: bytes, verifier: Verifier | None = None, **allowed: bool) -> Result:
    check = Verification(verifier, Allowances(**allowed))
    for number, content in enumerate(files):
        check.read(f"log{number}", io.BytesIO(content))
    return check.finish()


def findings(*files: bytes, verifier: Verifier | None = None, **allowed: bool) -> list[str]:
    return [str(finding) for finding in verified(*files, verifier=verifier, **allowed).findings]


def joined(lines: list[bytes]) -> bytes:
    return b"".join(lines)


@pytest.mark.parametrize("verifier", [None, VERIFIER])
def test_a_whole_log_is_whole(verifier: Verifier | None) -> None:
    result = verified(joined(whole_log(25, SIGNER)), verifier=verifier)

    assert result.findings == []
    assert (result.lines, result.first, result.last, result.signatures) == (30, 1, 30, 3)
    assert (result.ends, result.unsigned) == (True, 0)


def test_every_one_of_a_thousand_random_edits_is_found() -> None:
    chance = random.Random(20260101)
    original = whole_log(30)
    missed = []
    for number in range(1000):
        lines = [*original]
        while lines == original:
            chance.choice(EDITS)(lines, chance)
        if joined(lines) != joined(original) and verified(joined(lines)).is_whole:
            missed.append(number)

    assert missed == []


def test_the_line_that_was_changed_is_named_and_no_other() -> None:
    lines = whole_log(10)
    lines[4] = lines[4].replace(b"/3", b"/x")

    assert findings(joined(lines)) == ["log0:5: the line was changed"]


def test_a_line_that_was_replaced_by_one_with_a_right_hash_is_found_behind_it() -> None:
    lines = whole_log(3)
    forger = Chain(1, lines[0].rpartition(b'"hash":"')[2][:64])
    lines[1] = forger.link(seed_envelope(record_of(path="/forged")))

    assert findings(joined(lines)) == [
        "log0:3: the line does not follow the one before it, which was changed or replaced"
    ]


def test_missing_lines_are_named_by_their_numbers() -> None:
    lines = whole_log(10)

    assert findings(joined(lines[:3] + lines[4:])) == ["log0:4: record 5 follows record 3: record 4 is missing"]
    assert findings(joined(lines[:3] + lines[6:])) == [
        "log0:4: record 7 follows record 3: records 4 to 6 are missing"
    ]


def test_a_line_that_was_moved_is_told() -> None:
    lines = whole_log(4)
    lines[2], lines[3] = lines[3], lines[2]

    assert findings(joined(lines))[0] == "log0:3: record 4 follows record 2: record 3 is missing"
    assert "log0:4: record 3 stands behind record 4: it was moved, or repeated" in findings(joined(lines))


def test_a_log_whose_end_was_cut_off_is_not_whole_unless_it_is_still_written() -> None:
    cut = joined(whole_log(10)[:-3])

    assert findings(cut) == [
        "log0:9: the log does not end with the record of a stop: what came behind this line is missing"
    ]
    assert findings(cut, end=True) == []


def test_a_log_whose_beginning_is_missing_is_not_whole_unless_that_is_known() -> None:
    cut = joined(whole_log(10)[4:])

    assert findings(cut) == ["log0:1: the log begins with record 5: what came before is missing"]
    assert findings(cut, beginning=True) == []


def test_a_chain_goes_on_over_files_in_whatever_order_they_are_named() -> None:
    lines = whole_log(20)
    parts = [joined(lines[:7]), joined(lines[7:15]), joined(lines[15:])]
    shuffled = [(str(number), io.BytesIO(parts[number])) for number in (2, 0, 1)]

    ordered = in_order(shuffled)

    assert [name for name, _ in ordered] == ["0", "1", "2"]
    assert verified(*(file.read() for _, file in ordered)).is_whole
    assert "records 8 to 15 are missing" in findings(parts[0], parts[2])[0]


def test_a_process_that_was_killed_and_started_again_leaves_one_whole_chain() -> None:
    chain = Chain()
    lines = [chain.link(seed_envelope(audit_event("INFO", action, {}))) for action in ("start", "start", "stop")]

    assert verified(joined(lines)).is_whole


def test_another_chain_in_the_same_log_is_told_unless_starts_begin_one_each() -> None:
    both = joined(whole_log(3) + whole_log(3))

    assert findings(both) == ["log0:6: another chain begins here"]
    assert findings(both, restarts=True) == []
    cut = joined(whole_log(3)[:-1] + whole_log(3))
    assert findings(cut, restarts=True) == ["log0:5: another chain begins here, and the one before has no end"]


def test_lines_of_the_process_log_between_are_counted_and_records_without_a_chain_are_not_taken() -> None:
    lines = whole_log(3)
    lines.insert(2, b'{"time":"t","level":"INFO","msg":"iron-proxy starting"}\n')
    assert (verified(joined(lines)).is_whole, verified(joined(lines)).others) == (True, 1)

    lines.insert(3, seed_envelope(record_of(path="/slipped-in")))
    assert findings(joined(lines)) == ["log0:4: the line is not in the chain: it was added, or changed"]


# --- signatures -----------------------------------------------------------------------------------------------------


def test_who_computes_a_new_chain_has_no_signature_for_it() -> None:
    lines = whole_log(25, SIGNER)
    chain = Chain()
    forged = [
        chain.link(line.rpartition(b',"seq":')[0].replace(b"/3", b"/x") + b"}\n") for line in lines
    ]

    assert findings(joined(forged)) == []                       # a chain alone does not show it
    told = findings(joined(forged), verifier=VERIFIER)
    assert told[0] == "log0:12: the signature is not this key's, or not of the lines before it"


def test_a_log_without_signatures_is_not_whole_for_who_has_the_key() -> None:
    assert findings(joined(whole_log(5)), verifier=VERIFIER) == ["log0:7: no signature covers the last 7 lines"]


def test_another_key_does_not_do() -> None:
    other = Signer(Ed25519PrivateKey.generate())

    assert "the signature is not this key's" in findings(joined(whole_log(5, other)), verifier=VERIFIER)[0]


def test_a_signature_cannot_be_used_for_other_lines() -> None:
    chain, other = Chain(), Chain()
    lines = [chain.link(seed_envelope(record_of(path="/a"))), signature(chain, SIGNER)]
    details = json.loads(lines[1])["audit"]
    forged = [
        other.link(seed_envelope(record_of(path="/b"))),
        other.link(seed_envelope(audit_event("INFO", "signed", {**details, "hash": other.head.decode()}))),
    ]

    assert verified(joined(lines), verifier=VERIFIER, end=True).is_whole
    assert not verified(joined(forged), verifier=VERIFIER, end=True).is_whole


def test_lines_behind_the_last_signature_are_counted_while_the_log_is_written() -> None:
    result = verified(joined(whole_log(15, SIGNER)[:-3]), verifier=VERIFIER, end=True)

    assert (result.is_whole, result.unsigned) == (True, 4)


# --- hostile files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"\0" * 5000,
        b"[" * 100_000 + b"\n",
        b'{"msg":"x"' * 1000,
        b"\xff\xfe\n",
        b'{"seq":1,"prev":"","hash":""}\n',
        b"null\n1\n[]\n\"a\"\n",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_hostile_file_is_told_and_nothing_else_happens(content: bytes) -> None:
    assert not verified(content).is_whole


def test_a_line_without_end_is_read_in_pieces_that_fit() -> None:
    told = findings(b"x" * (MAX_LINE_BYTES + 10), end=True)

    assert told[0] == "log0:1: the line is too long for a record"


def test_no_more_is_kept_than_anybody_reads() -> None:
    assert len(findings(b"x\n" * (MAX_FINDINGS * 2))) == MAX_FINDINGS


def test_a_record_that_speaks_of_itself_as_the_end_is_no_end() -> None:
    chain = Chain()
    lines = chain.link(seed_envelope(record_of(path='"event":"audit","action":"stop"')))

    assert not verified(lines).is_whole
