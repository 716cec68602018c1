"""Fields that vouch for a body are written anew, or stand in the way."""

import hashlib
from base64 import b64encode

import pytest

from iron_proxy.messages.headers import Pair
from iron_proxy.transforms.secrets.digests import UnknownDigest, renewed, vouching_field

OLD, NEW = b"old body", b"new body"


def b64(name: str, body: bytes) -> bytes:
    return b64encode(hashlib.new(name, body).digest())


def fields_for(body: bytes) -> list[Pair]:
    sha256, sha512, md5 = (b64(name, body) for name in ("sha256", "sha512", "md5"))
    return [
        (b"Content-MD5", md5),
        (b"Digest", b"SHA-256=" + sha256 + b", md5=" + md5),
        (b"content-digest", b"sha-256=:" + sha256 + b":, sha-512=:" + sha512 + b":"),
        (b"Repr-Digest", b"sha-512=:" + sha512 + b":"),
        (b"x-amz-checksum-crc32", {OLD: b"iLf9CQ==", NEW: b"VMfIcQ=="}[body]),
        (b"X-Amz-Checksum-SHA1", b64("sha1", body)),
        (b"x-amz-checksum-sha256", sha256),
        (b"x-amz-content-sha256", hashlib.sha256(body).hexdigest().encode()),
    ]


def test_known_digests_are_written_anew_where_they_stand() -> None:
    fields = [(b"A", b"b"), *fields_for(OLD), (b"x-amz-checksum-algorithm", b"SHA256")]

    found = renewed(fields, [], OLD, NEW)

    assert found == list(enumerate(fields_for(NEW), 1))


@pytest.mark.parametrize(
    "field",
    [
        (b"Content-MD5", b"x"),
        (b"Content-MD5", b64("md5", b"another body")),
        (b"Digest", b"crc32c=AAAA"),
        (b"Content-Digest", b"sha-256=" + b64("sha256", OLD)),
        (b"Repr-Digest", b""),
        (b"x-amz-checksum-crc32c", b"AAAAAA=="),
        (b"x-amz-checksum-crc64nvme", b"AAAAAA=="),
        (b"x-amz-content-sha256", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ],
    ids=lambda field: field[0].decode() + " " + field[1].decode(),
)
def test_what_cannot_be_written_or_did_not_fit_stands_in_the_way(field: Pair) -> None:
    with pytest.raises(UnknownDigest, match=field[0].decode().lower()):
        renewed([field], [], OLD, NEW)

    assert vouching_field([field]) == field[0].decode().lower()


def test_a_digest_in_a_trailer_stands_in_the_way() -> None:
    with pytest.raises(UnknownDigest, match="x-amz-checksum-sha1"):
        renewed([], fields_for(OLD)[5:6], OLD, NEW)


def test_nothing_vouches_for_an_unsigned_body() -> None:
    fields = [(b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), (b"x-amz-checksum-type", b"FULL_OBJECT")]

    assert (vouching_field(fields), renewed(fields, [], OLD, NEW)) == ("", [])
