"""An explanation as lines: everything that it holds, and no control character."""

from iron_proxy.inspection.explanation import AddressJudged, Explanation, RuleFound, Use
from iron_proxy.inspection.explanation_text import explanation_lines
from iron_proxy.inspection.outgoing import HIDDEN, Outgoing


def test_an_allowed_request() -> None:
    answer = Explanation("POST", "https://a.test/x", "ci", "allowed", tls="terminated")
    answer.rule = RuleFound("a.test", "domains[3]", 12)
    answer.transforms = [{"name": "allowlist", "action": "continue", "annotations": {"action": "warn", "swapped": []}}]
    answer.secrets = [Use("KEY", "swapped", ["query", "body"])]
    answer.addresses = [AddressJudged("192.0.2.1", None), AddressJudged("::1", "::1/128")]
    answer.sent = Outgoing("POST /x HTTP/1.1", [("Host", "a.test")], "one\ntwo", 7)
    answer.notes = ["a note"]

    assert list(explanation_lines(answer, "p.yaml")) == [
        "ALLOWED  POST https://a.test/x",
        "  client      ci",
        "  rule        a.test   (p.yaml:12, domains[3])",
        "  tls         terminated",
        "  address     192.0.2.1",
        "  address     ::1, denied: in ::1/128",
        "  transform   allowlist: continue, action=warn",
        "  secret      KEY swapped: query, body",
        "  sent        POST /x HTTP/1.1",
        "              Host: a.test",
        "",
        "              one",
        "              two",
        "  note        a note",
    ]


def test_a_denied_one() -> None:
    answer = Explanation("GET", "http://x.test/", "", "denied", 403, "no rule", "allowlist", "host_not_allowed", "- {}")
    answer.transforms = [{"name": "t", "action": "error", "error": "broke"}]

    assert list(explanation_lines(answer, "p.yaml")) == [
        "DENIED  GET http://x.test/",
        "  reason      no rule",
        "  decided by  allowlist",
        "  status      403",
        "  would allow - {}   (under rules: of the allowlist)",
        "  transform   t: error, broke",
    ]


def test_what_has_no_place_and_no_body_to_show() -> None:
    answer = Explanation("GET", "http://x.test/", "", "allowed")
    answer.rule = RuleFound("proxy.default_action: allow", "", None)
    answer.sent = Outgoing("GET / HTTP/1.1", [], None, 3)

    lines = list(explanation_lines(answer, "p.yaml"))

    assert lines[1] == "  rule        proxy.default_action: allow"
    assert lines[-1] == f"              {HIDDEN}"


def test_control_characters_do_not_reach_the_terminal() -> None:
    answer = Explanation("GET", "http://x.test/\x1b[2J", "", "denied", reason="a\rb")

    assert "\x1b" not in "".join(explanation_lines(answer, "p.yaml"))
    assert "  reason      a\\rb" in explanation_lines(answer, "p.yaml")
