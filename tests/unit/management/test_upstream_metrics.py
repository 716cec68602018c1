"""What is told of upstreams, in numbers."""

from iron_proxy.management.upstream_metrics import UpstreamMetrics


def test_answers_and_connections_are_counted_apart() -> None:
    metrics = UpstreamMetrics()
    metrics.answered(20.0)
    metrics.connected(200.0, "TLSv1.3")

    assert (metrics.answers.total, metrics.connects.total) == (20.0, 200.0)


def test_handshakes_are_by_version_and_connections_without_tls_are_none() -> None:
    metrics = UpstreamMetrics()
    for version in ("TLSv1.3", "TLSv1.2", "TLSv1.3", ""):
        metrics.connected(0.1, version)
    metrics.not_connected(by_handshake=True)
    metrics.not_connected(by_handshake=False)

    assert metrics.handshakes == {"TLSv1.3": 2, "TLSv1.2": 1}
    assert (metrics.failed_handshakes, metrics.failed_connects) == (1, 1)


def test_what_several_processes_have_counted_is_added_up() -> None:
    one, total = UpstreamMetrics(), UpstreamMetrics()
    one.answered(3.0)
    one.connected(2.0, "TLSv1.3")
    one.not_connected(by_handshake=True)
    one.not_connected(by_handshake=False)
    one.taken_new, one.taken_reused = 1, 4

    total.add(one.counts())
    total.add(one.counts())

    assert (sum(total.answers.counts), total.answers.total, sum(total.connects.counts)) == (2, 6.0, 2)
    assert (total.taken_new, total.taken_reused, total.handshakes) == (2, 8, {"TLSv1.3": 2})
    assert (total.failed_handshakes, total.failed_connects) == (2, 2)
