import dns.message
import msgspec
import pytest

from iron_proxy.selftest.arrivals import Arrival, Canary, marked_in, token_of
from iron_proxy.selftest.canary_answers import MAX_ARRIVALS, CanaryBook
from iron_proxy.selftest.questions import question

RUN = "0123456789abcdef"
TOKEN = token_of(RUN, "direct-tcp", 1)


@pytest.fixture
def told() -> list[Arrival]:
    return []


@pytest.fixture
def book(told: list[Arrival]) -> CanaryBook:
    return CanaryBook(Canary("ab", (("tcp", 80),)), told.append)


def test_a_request_with_a_token_is_answered_with_its_arrival(book: CanaryBook, told: list[Arrival]) -> None:
    request = b"GET /" + TOKEN + b" HTTP/1.1\r\nHost: denied.test\r\n\r\n"

    answer = book.answer_http(request, "tls", 443, "denied.test")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert list(marked_in(answer)) == told == [Arrival(TOKEN.decode(), "tls", 443, request.decode(), "denied.test")]


def test_text_with_a_token_is_answered_with_the_mark_alone(book: CanaryBook) -> None:
    assert book.answer_http(b"SSH-2.0-" + TOKEN, "tcp", 22).startswith(b"selftest-canary:")


def test_what_has_no_token_is_neither_kept_nor_told(book: CanaryBook, told: list[Arrival]) -> None:
    answer = book.answer_http(b"GET /wp-login.php HTTP/1.1\r\nHost: x\r\n\r\n", "tcp", 80)

    assert answer.endswith(b"\r\n\r\nno token\n")
    assert book.answer_http(b"\x03\x00\x00", "tcp", 3389) == b""
    assert told == []


def test_it_says_who_it_is(book: CanaryBook) -> None:
    asked = b"GET http://allowed.test/selftest/hello HTTP/1.1\r\nHost: allowed.test\r\n\r\n"

    answer = book.answer_http(asked, "tcp", 80)

    assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=Canary) == book.canary


def test_it_lists_the_arrivals_of_one_run_and_of_no_other(book: CanaryBook, told: list[Arrival]) -> None:
    book.note(TOKEN, "udp", 53)
    book.note(token_of("f" * 16, "direct-tcp", 1), "udp", 53)

    answer = book.answer_http(b"GET /selftest/arrivals/" + RUN.encode() + b" HTTP/1.1\r\n\r\n", "tcp", 80)

    assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=list[Arrival]) == told[:1]


def test_an_upgrade_is_refused_and_the_connection_left_open(book: CanaryBook) -> None:
    answer = book.answer_http(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "tcp", 80)

    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"Connection: close" not in answer


def test_a_question_for_text_gets_the_mark_in_one_string(book: CanaryBook) -> None:
    reply = book.answer_dns(question(f"{TOKEN.decode()}.selftest.invalid", "TXT"), "udp", 53)

    assert reply is not None
    assert [each.token for each in marked_in(reply)] == [TOKEN.decode()]


def test_a_question_of_another_type_is_noted_and_answered_with_nothing(book: CanaryBook, told: list[Arrival]) -> None:
    reply = book.answer_dns(question(f"{TOKEN.decode()}.selftest.invalid", "A"), "udp", 53)

    assert reply is not None
    assert dns.message.from_wire(reply).answer == []
    assert len(told) == 1


def test_nobody_else_is_answered_and_no_answer_is(book: CanaryBook) -> None:
    reply = dns.message.make_response(dns.message.from_wire(question(f"{TOKEN.decode()}.x", "TXT"))).to_wire()

    assert book.answer_dns(question("example.com", "TXT"), "udp", 53) is None
    assert book.answer_dns(b"\0\1\2", "udp", 53) is None
    assert book.answer_dns(reply, "udp", 53) is None


def test_a_mark_of_a_datagram_leaves_out_what_arrived(book: CanaryBook) -> None:
    assert [each.raw for each in marked_in(book.note_datagram(TOKEN + b"." * 400, 53))] == [""]


def test_only_so_much_is_kept(book: CanaryBook) -> None:
    for number in range(MAX_ARRIVALS + 5):
        book.note(token_of(RUN, "direct-tcp", number % 900), "udp", 53)

    answer = book.answer_http(b"GET /selftest/arrivals/" + RUN.encode() + b" HTTP/1.1\r\n\r\n", "tcp", 80)

    assert len(msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])) == MAX_ARRIVALS
