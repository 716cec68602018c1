"""From what was seen of a client to a sentence about it."""

from pathlib import Path

import pytest

from iron_proxy.certs.generation import generate_ca
from iron_proxy.doctor.child import ChildEnd
from iron_proxy.doctor.clients import CLIENTS
from iron_proxy.doctor.own_proxy import Evidence
from iron_proxy.doctor.verdicts import SYSTEM_STORE, Reason, Verdict, judge, judge_by_status, lacks_proxy, untrusted

BY_NAME = {client.name: client for client in CLIENTS}
CURL = BY_NAME["curl"]
CA = generate_ca("test", 24, "p256").certificate_pem
NOTHING = Evidence(False, False, False)
TUNNELLED = Evidence(True, False, False)
BROKEN_OFF = Evidence(False, True, False)
SERVED = Evidence(False, False, True)


@pytest.mark.parametrize(
    ("end", "evidence", "proxied", "reason"),
    [
        (ChildEnd(0, ""), SERVED, False, Reason.WORKS),
        (ChildEnd(1, "x"), SERVED, False, Reason.FAILED),
        (ChildEnd(None, ""), NOTHING, True, Reason.TOO_SLOW),
        (ChildEnd(0, ""), NOTHING, True, Reason.NOT_PROXIED),
        (ChildEnd(1, ""), TUNNELLED, True, Reason.UNTRUSTED),
        (ChildEnd(1, ""), BROKEN_OFF, False, Reason.UNTRUSTED),
        (ChildEnd(1, "server certificate verification failed"), NOTHING, False, Reason.UNTRUSTED),
        (ChildEnd(1, "no such option"), NOTHING, False, Reason.FAILED),
        (ChildEnd(0, ""), NOTHING, False, Reason.FAILED),
    ],
)
def test_what_the_proxy_saw_decides(end: ChildEnd, evidence: Evidence, proxied: bool, reason: Reason) -> None:
    verdict = judge(CURL, end, evidence, {}, CA, proxied=proxied)

    assert verdict.reason is reason
    assert verdict.works is (reason is Reason.WORKS)


@pytest.mark.parametrize(
    ("status", "reason"), [(0, Reason.WORKS), (60, Reason.FAILED), (None, Reason.TOO_SLOW)]
)
def test_without_records_the_status_decides(status: int | None, reason: Reason) -> None:
    assert judge_by_status(ChildEnd(status, "x")).reason is reason


@pytest.mark.parametrize(
    ("files", "name", "fault"),
    [
        ({}, "CURL_CA_BUNDLE", "CURL_CA_BUNDLE is not set"),
        ({"SSL_CERT_FILE": None}, "SSL_CERT_FILE", "SSL_CERT_FILE names a file that is not there"),
        ({"CURL_CA_BUNDLE": b"", "SSL_CERT_FILE": CA}, "CURL_CA_BUNDLE", "the file in CURL_CA_BUNDLE does not hold it"),
        ({"CURL_CA_BUNDLE": CA}, "CURL_CA_BUNDLE", "CURL_CA_BUNDLE seems right"),
    ],
    ids=["not set", "missing file", "another CA", "right"],
)
def test_the_variable_to_blame_is_the_first_that_is_set(
    files: dict[str, bytes | None], name: str, fault: str, tmp_path: Path
) -> None:
    environment = {}
    for variable, content in files.items():
        environment[variable] = str(tmp_path / variable)
        if content is not None:
            (tmp_path / variable).write_bytes(content)

    verdict = untrusted(CURL, ChildEnd(60, "bad"), environment, CA)

    assert verdict == Verdict(Reason.UNTRUSTED, f"does not trust the CA: {fault}", name, "bad")


def test_a_client_without_variables_lacks_the_system_store() -> None:
    assert untrusted(BY_NAME["wget"], ChildEnd(5, ""), {}, CA).missing == SYSTEM_STORE


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("", "JAVA_TOOL_OPTIONS is not set"),
        ("-Xmx1g", "JAVA_TOOL_OPTIONS names no trust store"),
        ("-Djavax.net.ssl.trustStore=/x", "the trust store in JAVA_TOOL_OPTIONS does not hold it"),
    ],
)
def test_java_has_its_trust_store_in_options(options: str, fault: str) -> None:
    verdict = untrusted(BY_NAME["java"], ChildEnd(1, ""), {"JAVA_TOOL_OPTIONS": options}, CA)

    assert verdict.sentence == f"does not trust the CA: {fault}"


@pytest.mark.parametrize(
    ("client", "environment", "sentence"),
    [
        ("curl", {"ALL_PROXY": "http://x"}, None),
        ("curl", {"http_proxy": "http://x"}, "does not know of the proxy: HTTPS_PROXY is not set"),
        ("wget", {"HTTPS_PROXY": "http://x"}, "does not know of the proxy: https_proxy is not set"),
        ("java", {"JAVA_TOOL_OPTIONS": "-Xmx1g"}, "does not know of the proxy: JAVA_TOOL_OPTIONS names no proxy"),
        ("java", {"JAVA_TOOL_OPTIONS": "-Dhttps.proxyHost=x"}, None),
        ("openssl", {}, None),
    ],
)
def test_a_client_that_would_go_past_the_proxy_is_not_started(
    client: str, environment: dict[str, str], sentence: str | None
) -> None:
    verdict = lacks_proxy(BY_NAME[client], environment)

    assert (verdict.sentence if verdict is not None else None) == sentence
