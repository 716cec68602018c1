from iron_proxy.demo.scenario import EVENTS, OPENAI_API_KEY, STEPS, Kind, Route, Step


def test_there_are_the_five_requests_of_the_example_and_two_that_stream() -> None:
    urls = [f"{step.host}{step.target}" for step in STEPS]

    assert urls == [
        "httpbin.org/get",
        "example.com/",
        "httpbin.org/headers",
        "httpbin.org/headers",
        "httpbin.org/get?token=proxy-openai-abc123&q=hello",
        "httpbin.org/ws",
        "httpbin.org/sse",
    ]
    assert [step.number for step in STEPS] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.kind for step in STEPS[5:]] == [Kind.WEBSOCKET, Kind.EVENTS]


def test_every_route_is_taken() -> None:
    assert {step.route for step in STEPS} == set(Route)


def test_the_origin_must_see_the_secret_where_the_client_sent_the_token() -> None:
    step = Step(
        1, "both", Route.DNS, f"/x?k={OPENAI_API_KEY.token}", header=("A", OPENAI_API_KEY.token), secret=OPENAI_API_KEY
    )

    assert step.target_at_origin == "/x?k=sk-real-openai-key-do-not-share"
    assert step.header_at_origin == ("A", "sk-real-openai-key-do-not-share")
    assert step.path == "/x"


def test_a_request_without_a_secret_must_arrive_as_it_was_sent() -> None:
    step = Step(1, "plain", Route.DNS, "/get", header=("A", "b"))

    assert (step.target_at_origin, step.header_at_origin) == ("/get", ("A", "b"))
    assert Step(1, "plain", Route.DNS, "/get").header_at_origin is None


def test_there_are_events_enough_to_see_them_come_one_by_one() -> None:
    assert len(EVENTS) >= 2
