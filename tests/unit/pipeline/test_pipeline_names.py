"""Whether a name could be admitted at all: what DNS asks before there is a port, let alone a request."""

import pytest
from tests.fakes.transforms import FakeAllowlist, FakeTransform

from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Pipeline


@pytest.mark.parametrize(("host", "could"), [("ok.test", True), ("second.test", True), ("other.test", False)])
def test_whether_a_name_is_in_any_rule_is_asked_of_every_allowlist(host: str, could: bool) -> None:
    """The first one knows about names; the second is asked for the ports of the web."""

    class KnowsNames(FakeAllowlist):
        def admits_name(self, host: str, client: str = "") -> bool:
            return host in self._hosts

        def admits_target(self, target: Target, client: str = "") -> Admission | None:
            raise AssertionError("nobody asks for ports")

    pipeline = Pipeline([KnowsNames("ok.test"), FakeTransform(), FakeAllowlist("second.test")])

    assert pipeline.could_admit_name(host) is could


@pytest.mark.parametrize("port", [80, 443, 8080])
def test_a_transform_that_knows_no_names_is_asked_for_the_ports_of_the_web(port: int) -> None:
    class OnePort(FakeAllowlist):
        def admits_target(self, target: Target, client: str = "") -> Admission | None:
            return Admission(client) if target == Target("ok.test", port) and client == "ci" else None

    pipeline = Pipeline([OnePort()])

    assert pipeline.could_admit_name("ok.test", "ci") is (port != 8080)
    assert not pipeline.could_admit_name("ok.test", "other")


def test_any_name_could_be_admitted_by_default_or_none() -> None:
    assert Pipeline([], allow_by_default=True).could_admit_name("any.test")
    assert not Pipeline([]).could_admit_name("any.test")
