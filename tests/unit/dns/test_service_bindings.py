"""HTTPS and SVCB records without HTTP/3 and encrypted client hellos."""

import dns.rdata
import pytest

from iron_proxy.dns.service_bindings import without_http3_and_ech


def strip(text: str, kind: str = "HTTPS") -> str | None:
    left = without_http3_and_ech(dns.rdata.from_text("IN", kind, text))
    return None if left is None else left.to_text()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('1 . alpn="h2"', '1 . alpn="h2"'),
        ('1 . alpn="h3,h2"', '1 . alpn="h2"'),
        ('1 . alpn="h3-29,hq-interop,quic,http/1.1"', '1 . alpn="http/1.1"'),
        ('1 . alpn="h3"', "1 ."),
        ('1 . ech="AARhYmNk"', "1 ."),
        ('1 . alpn="h3,h2" ech="AARhYmNk" port="8443" ipv4hint="10.0.0.9" ipv6hint="fd00::9"',
         '1 . alpn="h2" port="8443" ipv4hint="10.0.0.9" ipv6hint="fd00::9"'),
        ('1 . mandatory="alpn,port" alpn="h2,h3" port="8443"', '1 . mandatory="alpn,port" alpn="h2" port="8443"'),
        ('1 . alpn="h2" key7="/dns-query{?dns}" key65000="data"', '1 . alpn="h2"'),
        ("0 pool.test.", "0 pool.test."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["HTTPS", "SVCB"])
def test_http3_and_ech_and_what_is_unknown_are_taken_out(before: str, after: str, kind: str) -> None:
    assert strip(before, kind) == after


@pytest.mark.parametrize(
    "text",
    [
        '1 . alpn="h3" no-default-alpn',
        '1 . mandatory="ech" ech="AARhYmNk"',
        '1 . mandatory="alpn" alpn="h3"',
        '1 . mandatory="key65000" key65000="data"',
    ],
    ids=["HTTP/3 only", "not without ECH", "not without HTTP/3", "not without something unknown"],
)
def test_a_record_that_is_of_no_use_without_them_is_dropped(text: str) -> None:
    assert strip(text) is None


def test_what_is_no_service_binding_is_dropped() -> None:
    assert strip("hello", "TXT") is None
