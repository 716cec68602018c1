from pathlib import Path

import pytest
from tests.fakes.selftest_world import case_named, http2_place, try_case

from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.findings import Verdict
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.trial import Trial


@pytest.mark.parametrize(
    ("case", "rewritten"),
    [
        ("smuggle-cl-te", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("smuggle-two-lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /"),
        ("smuggle-hidden-te", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("smuggle-bare-lf", "GET / HTTP/1.1\r\nX-First: 1\r\nX-Second: 2\r\n\r\n"),
        ("smuggle-bare-cr", "GET / HTTP/1.1\r\nX-First: 1\r\nX-Second: 2\r\n\r\n"),
        ("smuggle-folded", "GET / HTTP/1.1\r\nX-First: 1 X-Second: 2\r\n\r\n"),
        ("smuggle-chunk-extension", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("smuggle-chunk-size", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("inject-path", "GET /a%0d%0aX-Injected:%20yes HTTP/1.1\r\nHost: a\r\n\r\n"),
    ],
)
def test_a_request_that_was_written_anew_does_not_count(case: str, rewritten: str) -> None:
    arrival = Arrival("t", "tcp", 80, rewritten)

    assert not case_named(case).counts(arrival, Place("0" * 16))


def test_a_proxy_that_passes_tls_through_has_no_parser_to_test(tmp_path: Path) -> None:
    with http2_place(tmp_path) as place:
        opaque = Place(place.run, allowed=place.allowed, proxy=place.proxy, passes_tls=True)
        trial = Trial(opaque, "smuggle-cl-te")
        case_named("smuggle-cl-te").attempt(opaque, trial)

    assert "http:// URL" in trial.obstacle


def test_it_is_tried_in_tls_where_the_proxy_reads_that(tmp_path: Path) -> None:
    with http2_place(tmp_path) as place:
        assert isinstance(place.allowed, Endpoint)
        assert try_case(place, "smuggle-folded").verdict is not Verdict.NOT_TESTED
