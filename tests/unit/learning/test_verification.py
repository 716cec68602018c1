from tests.fakes.audit_lines import entry_of
from tests.unit.learning.judges import allowing, judge_for

from iron_proxy.learning.observations import Observations
from iron_proxy.learning.verification import Proof, proof_of


async def test_requests_are_counted_that_the_rules_treat_otherwise() -> None:
    observations = Observations()
    for path, action in (("/a", "allow"), ("/b", "allow"), ("/b", "allow"), ("/c", "reject"), ("/d", "reject")):
        observations.take(entry_of(path=path, action=action))
    judge = judge_for(allowing('{host: ok.test, paths: ["/a", "/c"]}'))

    assert await proof_of(observations, judge) == Proof(not_covered=2, denied_before=1)
