"""What would be sent is shown as it is, but for what a transform from outside has changed."""

from iron_proxy.inspection.outgoing import HIDDEN, MAX_SHOWN_BODY, Outgoing, outgoing_message
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request


def request(body: bytes = b"hello") -> Request:
    fields = Headers([(b"X-A", b"1")])
    return Request("POST", "https", Target("a.test", 8443), b"/x", b"q", fields, Body.of(body))


async def told(asked: Request, *, hides_changes: bool) -> Outgoing:
    return await outgoing_message(asked, [(b"x-a", b"1")], b"/x?q", b"hello", hides_changes)


async def test_the_message_is_shown_with_what_the_proxy_writes() -> None:
    message = await told(request(), hides_changes=False)

    assert message == Outgoing(
        "POST /x?q HTTP/1.1", [("Host", "a.test:8443"), ("X-A", "1"), ("Content-Length", "5")], "hello", 5
    )


async def test_unchanged_parts_are_shown_whoever_else_looked_at_them() -> None:
    assert await told(request(), hides_changes=True) == await told(request(), hides_changes=False)


async def test_what_was_changed_from_outside_is_hidden() -> None:
    asked = request(b"signed")
    asked.headers.set(b"X-A", b"2")
    asked.headers.append(b"X-Signature", b"canary")
    asked.raw_query = b"sig=canary"

    message = await told(asked, hides_changes=True)

    assert message.start_line == f"POST {HIDDEN} HTTP/1.1"
    assert message.fields[1:3] == [("X-A", HIDDEN), ("X-Signature", HIDDEN)]
    assert (message.body, message.body_size) == (None, 6)


async def test_a_long_body_is_cut() -> None:
    message = await told(request(b"x" * (MAX_SHOWN_BODY + 1)), hides_changes=False)

    assert (len(message.body or ""), message.body_size) == (MAX_SHOWN_BODY, MAX_SHOWN_BODY + 1)
