"""What a connection tells of itself while something goes on in it, and when nothing does."""

from iron_proxy.proxy.request_life import RequestLife
from iron_proxy.proxy.sight import RequestSight


def test_a_request_is_told_by_what_is_known_of_it() -> None:
    life = RequestLife()
    life.method, life.host, life.path = "GET", "ok.test", "/private?token=1"

    sight = RequestSight.of(life)

    assert (sight.method, sight.host, sight.request_id) == ("GET", "ok.test", life.request_id)
    assert 0 <= sight.age_seconds < 60
    assert "private" not in repr(sight)
