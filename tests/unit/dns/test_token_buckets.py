"""How much each client has left."""


from iron_proxy.dns.token_buckets import TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: TokenBuckets, client: str, times: int = 10) -> int:
    return sum(buckets.take(client) for _ in range(times))


def test_a_burst_is_granted_and_then_what_time_gives_back() -> None:
    clock = Clock()
    buckets = TokenBuckets(2.0, 3, clock=clock)

    assert taken(buckets, "a") == 3
    clock.now += 0.4
    assert taken(buckets, "a") == 0
    clock.now += 0.6
    assert taken(buckets, "a") == 2
    clock.now += 3600
    assert taken(buckets, "a") == 3


def test_clients_do_not_take_from_each_other() -> None:
    buckets = TokenBuckets(1.0, 3, clock=Clock())

    assert [taken(buckets, "a"), taken(buckets, "b")] == [3, 3]


def test_clients_beyond_the_table_share_a_bucket() -> None:
    """Forged addresses: as many as there are, they get one bucket more."""
    buckets = TokenBuckets(1.0, 3, max_clients=2, clock=Clock())

    assert [taken(buckets, client) for client in ("a", "b")] == [3, 3]
    assert sum(taken(buckets, f"forged {number}") for number in range(50)) == 3


def test_a_client_that_has_been_quiet_makes_room() -> None:
    clock = Clock()
    buckets = TokenBuckets(1.0, 3, max_clients=2, clock=clock)
    taken(buckets, "a")
    taken(buckets, "b")

    clock.now += 3.0
    assert taken(buckets, "c") == 3
    assert taken(buckets, "d") == 3
