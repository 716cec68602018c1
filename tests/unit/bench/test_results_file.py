import json

from bench.results_file import encode, file_name
from tests.unit.bench.a_run import a_run, rounds


def test_a_file_holds_every_round_and_the_medians() -> None:
    run = a_run(*rounds("small-tls", "nginx", {"cpu": 3.0}, {"cpu": 1.0}, {"cpu": 2.0}))

    document = json.loads(encode(run))

    assert [sample["figures"]["cpu"] for sample in document["result"]["samples"]] == [3.0, 1.0, 2.0]
    assert document["medians"] == {"small-tls": {"nginx": {"cpu": 2.0}}}
    assert set(document["targets"].values()) == {"not measured"}


def test_a_file_is_named_by_time_and_commit() -> None:
    assert file_name(a_run()) == "2030-01-31T1205Z-0123456789ab.json"
