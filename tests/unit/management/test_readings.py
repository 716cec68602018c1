"""Numbers of several processes, added up."""

from iron_proxy.audit.emitter import Condition
from iron_proxy.audit.otlp_queue import ExportCondition
from iron_proxy.inspection.secret_ages import FetchedSecret
from iron_proxy.management.readings import Readings
from iron_proxy.secret_sources.source import Fetches

SUPERVISOR = Readings(3, 0, 0, 0, 7, 9, 1, {}, (), Condition(100, 1, 0, 10, False), {})
SECRET = FetchedSecret("a", 4.0, Fetches(5, 1))
WORKER = Readings(
    3, 5, 2, 40, 6, 6, 2, {"1.3": 7}, [SECRET], Condition(50, 2, 3, 20, True), {"logs": ExportCondition(10, 1, 2, 4)}
)


def test_what_each_has_is_added_and_what_one_has_alone_is_not() -> None:
    total = SUPERVISOR.plus_worker(WORKER).plus_worker(WORKER)

    assert total == Readings(
        3, 10, 4, 80, 7, 9, 5, {"1.3": 14}, [FetchedSecret("a", 4.0, Fetches(10, 2))],
        Condition(100, 5, 6, 50, True), {"logs": ExportCondition(20, 2, 4, 8)},
    )  # fmt: skip


def test_of_a_secret_the_oldest_value_counts() -> None:
    younger = WORKER._replace(secrets=[SECRET._replace(age=1.0), SECRET._replace(name="b", age=None)])

    total = SUPERVISOR.plus_worker(WORKER).plus_worker(younger)

    assert [(secret.name, secret.age) for secret in total.secrets] == [("a", 4.0), ("b", None)]


def test_of_one_that_ended_only_what_goes_up_is_left() -> None:
    total = SUPERVISOR.plus_worker(WORKER.when_it_ended())

    assert total == Readings(
        3, 0, 0, 40, 7, 9, 3, {"1.3": 7}, [SECRET._replace(age=None)],
        Condition(100, 3, 3, 10, False), {"logs": ExportCondition(10, 1, 2, 0)},
    )  # fmt: skip
