import io
from dataclasses import replace

from rich.console import Console
from tests.fakes.selftest_world import case_named

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.selftest.arrivals import Canary
from iron_proxy.selftest.findings import Finding, Findings, Verdict
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.report import as_json, printable, report

PLACE = Place(
    "0123456789abcdef",
    denied=(Endpoint("http", "denied.test", 80),),
    allowed=Endpoint("http", "allowed.test", 80),
    proxy=parse_proxy_url("http://me:hunter2@127.0.0.1:8080"),
    canary=Canary("ab", (("tcp", 8080),)),
)
FINDINGS = Findings(
    PLACE,
    "",
    (
        Finding(case_named("direct-tcp"), Verdict.GOT_OUT, ("one", "two", "three", "four", "\x1b[31mfive")),
        Finding(case_named("direct-quic"), Verdict.HELD, ("UDP: no answer",)),
        Finding(case_named("fronted-host"), Verdict.NOT_TESTED, ("needs a thing",)),
    ),
    1.25,
)


def shown(findings: Findings) -> str:
    out = io.StringIO()
    console = Console(file=out, width=400, color_system=None)
    for part in report(findings):
        console.print(part)
    return out.getvalue()


def test_a_row_says_what_was_tried_what_came_of_it_and_what_to_do() -> None:
    text = shown(FINDINGS)

    assert "GOT OUT" in text
    assert "and 2 more" in text
    assert f"→ {case_named('direct-tcp').remedy}" in text
    assert case_named("direct-quic").remedy not in text
    assert "1 held, 1 got out, 1 not tested, in 1.2 s." in text


def test_the_way_and_the_endpoints_are_told_and_no_password() -> None:
    text = shown(FINDINGS)

    assert "Way out: by the proxy http://127.0.0.1:8080." in text
    assert "hunter2" not in text
    assert "The canary does not listen at the port of http://denied.test:80" in text


def test_without_an_allowed_canary_the_limits_are_told() -> None:
    text = shown(replace(FINDINGS, place=Place(PLACE.run)))

    assert "no proxy is named here" in text
    assert "Denied: example.com and public addresses (no -against)." in text
    assert "nothing proves that there is a network here at all" in text


def test_a_control_that_failed_is_told() -> None:
    assert "Nothing could be tested: it is \\x1bdown" in shown(replace(FINDINGS, control="it is \x1bdown"))


def test_the_json_has_all_of_it() -> None:
    found = as_json(FINDINGS)

    assert (found["ok"], found["counts"]) == (False, {"held": 1, "got out": 1, "not tested": 1})
    assert found["cases"][0] == {
        "name": "direct-tcp",
        "group": "without the proxy",
        "severity": "critical",
        "tried": case_named("direct-tcp").tried,
        "got_out_means": case_named("direct-tcp").means,
        "verdict": "got out",
        "evidence": ["one", "two", "three", "four", "\\x1b[31mfive"],
        "remedy": case_named("direct-tcp").remedy,
    }
    assert (found["proxy"], found["against"], found["deaf"]) == (
        "http://127.0.0.1:8080", ["http://denied.test:80"], ["http://denied.test:80"],
    )  # fmt: skip


def test_it_is_ok_only_when_it_could_be_tested_and_nothing_got_out() -> None:
    held = replace(FINDINGS, findings=FINDINGS.findings[1:])

    assert as_json(held)["ok"]
    assert not as_json(replace(held, control="down"))["ok"]


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("a\x1b[2J\rb\u202e") == "a\\x1b[2J\\x0db\\x202e"
