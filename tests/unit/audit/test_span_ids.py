"""Which span a record stands for: the same whenever it is asked, another for every request, in its client's trace."""

from iron_proxy.audit.span_ids import span_ids

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def fields(request_id: str = "cafe-1", parent: str = "") -> dict[str, object]:
    note = {"annotations": {"traceparent": parent}} if parent else {}
    steps = [{"name": "trace_context", "action": "continue", "duration_ms": 0.0, **note}, {"name": "allowlist"}]
    return {"request_id": request_id, "request_transforms": steps}


def test_it_is_the_same_whenever_it_is_asked() -> None:
    assert span_ids(fields()) == span_ids(fields())


def test_ten_thousand_requests_have_as_many_spans_and_traces() -> None:
    all_ids = [span_ids(fields(f"cafe-{number}")) for number in range(10_000)]

    assert len({each.trace_id for each in all_ids}) == len({each.span_id for each in all_ids}) == 10_000
    assert all(0 < each.trace_id < 2**128 and 0 < each.span_id < 2**64 for each in all_ids)


def test_ids_are_spread_as_samplers_want_them() -> None:
    lowest = [span_ids(fields(f"cafe-{number}")).trace_id % 2**56 for number in range(2000)]

    assert 0.4 < sum(each < 2**55 for each in lowest) / 2000 < 0.6


def test_a_client_names_the_trace_and_never_the_span() -> None:
    with_parent, without = span_ids(fields(parent=PARENT)), span_ids(fields())

    assert with_parent.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert with_parent.span_id == without.span_id
    assert (with_parent.parent, without.parent) == (PARENT, "")


def test_another_steps_annotation_is_not_looked_at() -> None:
    steps = [{"name": "x", "annotations": {"traceparent": PARENT}}]

    assert span_ids({"request_id": "a-1", "request_transforms": steps}).parent == ""
