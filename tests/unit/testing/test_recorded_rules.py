from pathlib import Path

from iron_proxy.testing.allowed_egress import allowed_by_file
from iron_proxy.testing.egress_seen import Seen
from iron_proxy.testing.recorded_rules import recorded_rules


def test_what_went_past_the_proxy_becomes_a_rule_that_the_guard_reads(tmp_path: Path) -> None:
    file = tmp_path / "egress.yaml"
    place = Seen("db.test", 5432, "", "", "", True)
    file.write_text(recorded_rules([], [place, place, Seen("c.test", 443, "", "", "", True, True)]))
    allowed = allowed_by_file(file)

    assert allowed.admits_directly("db.test", 5432)
    assert not allowed.admits_directly("db.test", 5433)
    assert not allowed.admits_name("c.test")
