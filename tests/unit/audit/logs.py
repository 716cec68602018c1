"""Chained audit logs for tests: whole ones, and what can be done to them."""

import random
from collections.abc import Callable

from tests.unit.audit.records import record_of

from iron_proxy.audit.chain import Chain
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import audit_event
from iron_proxy.audit.signing import Signer


def whole_log(count: int, signer: Signer | None = None, sign_every: int = 10) -> list[bytes]:
    """The lines of a log from start to stop, with `count` requests."""
    chain = Chain()
    lines = [chain.link(seed_envelope(audit_event("INFO", "start", {})))]
    for number in range(count):
        lines.append(chain.link(seed_envelope(record_of(path=f"/{number}"))))
        if signer is not None and number % sign_every == sign_every - 1:
            lines.append(signature(chain, signer))
    lines.append(chain.link(seed_envelope(audit_event("INFO", "stop", {}))))
    if signer is not None:
        lines.append(signature(chain, signer))
    return lines


def signature(chain: Chain, signer: Signer) -> bytes:
    """A record that signs the chain so far."""
    details = {
        "seq": chain.number,
        "hash": chain.head.decode(),
        "key": signer.key_id,
        "signature": signer.sign(chain.number, chain.head),
    }
    return chain.link(seed_envelope(audit_event("INFO", "signed", details)))


def _change_a_byte(lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    line = lines[at]
    position = chance.randrange(len(line))
    other = chance.choice([byte for byte in range(256) if byte != line[position]])
    lines[at] = line[:position] + bytes((other,)) + line[position + 1 :]


def _take_a_byte_out(lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    position = chance.randrange(len(lines[at]))
    lines[at] = lines[at][:position] + lines[at][position + 1 :]


def _put_bytes_in(lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    position = chance.randrange(len(lines[at]))
    lines[at] = lines[at][:position] + chance.choice([b" ", b"x", b"\n", b"\r", b"\0", b"{}\n"]) + lines[at][position:]


def _take_lines_out(lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    del lines[at : at + chance.randint(1, 5)]


def _repeat_a_line(lines: list[bytes], chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))


def _swap_two_lines(lines: list[bytes], chance: random.Random) -> None:
    one, other = chance.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]


def _cut_the_end(lines: list[bytes], chance: random.Random) -> None:
    whole = b"".join(lines)
    lines[:] = [whole[: chance.randrange(len(whole))]]


def _cut_the_beginning(lines: list[bytes], chance: random.Random) -> None:
    whole = b"".join(lines)
    lines[:] = [whole[chance.randint(1, len(whole) - 1) :]]


def _replace_a_word(lines: list[bytes], chance: random.Random) -> None:
    at = chance.choice([index for index, line in enumerate(lines) if b'"allow"' in line])
    lines[at] = lines[at].replace(b'"allow"', b'"reject"', 1)


EDITS: list[Callable[[list[bytes], random.Random], None]] = [
    _change_a_byte, _take_a_byte_out, _put_bytes_in, _take_lines_out, _repeat_a_line, _swap_two_lines, _cut_the_end,
    _cut_the_beginning, _replace_a_word,
]  # fmt: skip
