"""What has been found, while it may be kept and no longer."""

from iron_proxy.dns.answer_cache import MAX_ENTRY_BYTES, AnswerCache
from iron_proxy.dns.upstream_replies import Found

KEY = "ok.test", 1
FOUND = Found(0, (b"\x0a\0\0\x09",), 60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_kept_grows_old_and_is_forgotten() -> None:
    clock = Clock()
    cache = AnswerCache(clock=clock)
    cache.put(KEY, FOUND)

    assert cache.get(KEY) == FOUND
    clock.now += 59.5
    assert cache.get(KEY) == FOUND._replace(ttl=1)
    clock.now += 0.5
    assert cache.get(KEY) is None
    assert len(cache) == 0


def test_another_type_of_the_same_name_is_another_entry() -> None:
    cache = AnswerCache()
    cache.put(KEY, FOUND)

    assert cache.get(("ok.test", 28)) is None


def test_what_has_no_lifetime_or_is_too_long_is_not_kept() -> None:
    cache = AnswerCache()
    cache.put(KEY, FOUND._replace(ttl=0))
    cache.put(("long.test", 1), Found(0, (b"x" * MAX_ENTRY_BYTES, b"x"), 60))

    assert len(cache) == 0


def test_the_least_recently_used_makes_room() -> None:
    cache = AnswerCache(max_entries=2)
    cache.put(("a.test", 1), FOUND)
    cache.put(("b.test", 1), FOUND)
    cache.get(("a.test", 1))
    cache.put(("c.test", 1), FOUND)

    assert [cache.get((name, 1)) is None for name in ("a.test", "b.test", "c.test")] == [False, True, False]
