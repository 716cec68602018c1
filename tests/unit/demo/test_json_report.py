import json

from tests.unit.demo.demo_runs import good_run

from iron_proxy.demo.checks import find_surprises
from iron_proxy.demo.json_report import json_report


def test_all_that_was_seen_is_in_the_object() -> None:
    run = good_run()

    content = json.loads(json_report(run, find_surprises(run)))

    assert (content["ok"], content["surprises"], content["duration_seconds"]) == (True, [], 0.5)
    assert [request["number"] for request in content["requests"]] == [1, 2, 3, 4, 5, 6, 7]
    third = content["requests"][2]
    assert third["route"] == "CONNECT"
    assert third["sent"]["headers"] == [["Authorization", "Bearer proxy-openai-abc123"]]
    assert third["origin_saw"][0]["headers"][1] == ["Authorization", "Bearer sk-real-openai-key-do-not-share"]
    assert third["audit"]["action"] == "allow"
    body = '{"Authorization": "Bearer proxy-openai-abc123"}'
    assert third["client_saw"] == {"dns_answer": None, "status": 200, "body": body, "messages": [], "error": None}
    assert content["proxy_log"] == list(run.log)


def test_surprises_stand_at_the_top_and_at_their_request() -> None:
    run = good_run()
    run.observations[1].client.status = 200

    content = json.loads(json_report(run, find_surprises(run)))

    sentence = "the client saw status 200 where 403 was due"
    assert (content["ok"], content["surprises"]) == (False, [f"request 2: {sentence}"])
    assert content["requests"][1]["surprises"] == [sentence]
