import pytest

from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request

TARGET = Target("ok.test", 80)


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        (b"/a/b", "/a/b"),
        (b"/o/dir%2Ffile", "/o/dir/file"),
        (b"/caf%C3%A9", "/caf\u00e9"),
        (b"/caf\xc3\xa9", "/caf\u00e9"),
        (b"/%ff\xfe", "/\ufffd\ufffd"),
        (b"/%ed%a0%80", "/\ufffd\ufffd\ufffd"),
        (b"/%0d%0a", "/\r\n"),
        (b"/%zz%", "/%zz%"),
        (b"/a+b", "/a+b"),
    ],
)
def test_the_path_is_decoded_and_the_wire_form_stays(raw_path: bytes, path: str) -> None:
    request = Request("GET", "http", TARGET, raw_path)

    assert request.path == path
    assert request.raw_target == raw_path


@pytest.mark.parametrize(
    ("query", "raw_target"),
    [(None, b"/x"), (b"", b"/x?"), (b"a=%20&a=1", b"/x?a=%20&a=1"), (b"a?b", b"/x?a?b")],
    ids=["none", "an empty one", "with escapes", "with a question mark"],
)
def test_the_query_goes_on_as_it_came(query: bytes | None, raw_target: bytes) -> None:
    assert Request("GET", "http", TARGET, b"/x", query).raw_target == raw_target


def test_a_new_wire_path_gives_a_new_decoded_path() -> None:
    request = Request("GET", "http", TARGET, b"/old")
    assert request.path == "/old"

    request.set_raw_path(b"/n%65w")

    assert request.path == "/new"
    assert request.raw_target == b"/n%65w"


def test_whether_the_path_is_ambiguous_follows_the_wire_path() -> None:
    request = Request("GET", "http", TARGET, b"/a%2fb")
    assert request.has_ambiguous_path

    request.set_raw_path(b"/a/b")

    assert not request.has_ambiguous_path


def test_who_knows_already_that_the_path_is_ambiguous_can_say_so() -> None:
    request = Request("GET", "http", TARGET, b"/a/b", has_ambiguous_path=True)
    assert request.has_ambiguous_path

    request.set_raw_path(b"/a/c")

    assert not request.has_ambiguous_path


def test_a_request_without_more_has_no_fields_and_no_body() -> None:
    request = Request("GET", "http", TARGET, b"/")

    assert len(request.headers) == 0
    assert request.body.is_empty
    assert request.upgrade is None
    assert not request.accepts_trailers
