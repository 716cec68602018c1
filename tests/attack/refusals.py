"""R400 of the cases: refused, closed, nothing behind it parsed, no origin reached, and one record that says why."""

from collections.abc import Iterable

from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Split, Way


def check_refused(
    proxy: RunningProxy,
    way: Way,
    raw: bytes,
    split: Split | None = None,
    *,
    statuses: Iterable[int] = (400, 421),
    host: str = "ok.test",
) -> None:
    """Send bytes as one request on a connection of its own, and see them refused."""
    with proxy.open(way, host) as session:
        proxy.started += 1
        session.send(raw, split)
        answer = session.read_answer()
        assert answer.status in statuses
        assert answer.is_complete
        assert answer.get(b"connection") == b"close"
        assert session.is_closed()
    assert proxy.arrived() == []
    record = proxy.last_record()
    assert (record["action"], record["status_code"], record["level"]) == ("reject", answer.status, "WARN")
    assert record["reason"] == answer.body.decode().rstrip("\n")


def check_never_complete(proxy: RunningProxy, way: Way, raw: bytes, split: Split | None = None) -> None:
    """A body that is malformed on its way: the client is refused or cut off, and no origin takes it for whole."""
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(raw, split)
        if not way.is_tls:
            session.end()
        answer = session.read_answer("POST") if way.is_tls is False else None
        if answer is None:
            session.send(b"")
            session.close()
        else:
            assert answer.status in (0, 400)
    assert proxy.last_record()["action"] in ("reject", "client_cancel", "error")
    assert not [request for request in proxy.arrived() if request.is_complete]
