import pytest

from iron_proxy.errors import IronProxyError
from iron_proxy.protocols.content_coding.codings import BadCoding, CodingBomb, parse_codings


@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ([], ()),
        ([b""], ()),
        ([b" , ,\t"], ()),
        ([b"identity"], ()),
        ([b"gzip"], ("gzip",)),
        ([b"deflate"], ("deflate",)),
        ([b"br"], ("br",)),
        ([b"zstd"], ("zstd",)),
        ([b"GZip"], ("gzip",)),
        ([b"X-GZIP"], ("gzip",)),
        ([b" gzip\t"], ("gzip",)),
        ([b"identity, gzip,, Identity"], ("gzip",)),
        ([b"deflate, gzip"], ("deflate", "gzip")),
        ([b"deflate", b"gzip"], ("deflate", "gzip")),
        ([b"br, zstd", b"gzip"], ("br", "zstd", "gzip")),
        ([b"gzip, gzip, gzip, identity"], ("gzip", "gzip", "gzip")),
    ],
    ids=[
        "no field", "an empty field", "empty members", "identity", "gzip", "deflate", "br", "zstd", "upper case",
        "an old name", "white space", "identity among others", "a list", "two fields", "a list and a field",
        "as many as there may be",
    ],
)  # fmt: skip
def test_a_field_names_codings_in_the_order_they_were_applied(values: list[bytes], codings: tuple[str, ...]) -> None:
    assert parse_codings(values) == codings


@pytest.mark.parametrize(
    "values",
    [
        [b"compress"],
        [b"x-compress"],
        [b"aws-chunked"],
        [b"gzip;q=1"],
        [b"gzip deflate"],
        [b'"gzip"'],
        [b"g\xc5\xbaip"],
        [b"z\xc5\xbftd"],
        [b"gzip\x00"],
        [b"dcz"],
        [b"gzip, unknown"],
        [b"gzip, gzip", b"gzip, gzip"],
    ],
    ids=[
        "LZW", "LZW by its old name", "an unknown one", "a parameter", "no comma", "quoted", "not ASCII",
        "folds to ASCII in Unicode only", "a NUL", "zstd with a dictionary", "one of two is unknown", "too many",
    ],
)  # fmt: skip
def test_what_cannot_be_decoded_has_no_codings(values: list[bytes]) -> None:
    assert parse_codings(values) is None


def test_the_errors_are_ours_and_know_their_status() -> None:
    assert issubclass(BadCoding, IronProxyError)
    assert issubclass(CodingBomb, BadCoding)
    assert (BadCoding.status, CodingBomb.status) == (400, 413)
