import pytest

from iron_proxy.audit.outcome import Allowed, ClientGone, Failed, Outcome, Rejected, Stubbed, action_of


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Allowed(204), ("allow", 204, "INFO")),
        (Rejected(403, "no", "allowlist"), ("reject", 403, "WARN")),
        (Rejected(400, "malformed host"), ("reject", 400, "WARN")),
        (Stubbed(200, "stub"), ("stub", 200, "INFO")),
        (Failed(502, "dial tcp: timed out"), ("error", 502, "ERROR")),
        (ClientGone(), ("client_cancel", 200, "INFO")),
    ],
    ids=["allowed", "rejected by policy", "a bad request", "stubbed", "failed", "the client left"],
)
def test_an_outcome_has_its_action_status_and_level(outcome: Outcome, expected: tuple[str, int, str]) -> None:
    assert action_of(outcome) == expected
