import errno
import socket
import struct

import pytest

from iron_proxy.jail import rtnetlink


def test_bringing_an_interface_up_changes_one_flag() -> None:
    request = rtnetlink.interface_up(1, 7)

    assert request == struct.pack("=IHHII BxHiII", 32, 16, 0x5, 7, 0, 0, 0, 1, 1, 1)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_route_is_the_default_one_of_the_local_table(family: int) -> None:
    request = rtnetlink.every_address_is_local(family, 1, 9)

    header, body, attribute = request[:16], request[16:28], request[28:]
    assert struct.unpack("=IHHII", header) == (len(request), 24, 0x605, 9, 0)
    assert tuple(body[:8]) == (family, 0, 0, 0, 255, 3, 254, 2)
    assert attribute == struct.pack("=HHI", 8, 4, 1)


def test_an_address_is_given_twice_and_whole() -> None:
    address = socket.inet_aton("198.18.0.1")

    request = rtnetlink.new_address(socket.AF_INET, address, 1, 2)

    assert request[16:24] == struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 1)
    assert request[24:] == struct.pack("=HH4sHH4s", 8, 2, address, 8, 1, address)


def test_an_attribute_is_filled_up_to_four_bytes_but_keeps_its_length() -> None:
    request = rtnetlink.new_address(99, b"12345", 1, 2)

    assert request[24:] == b"\x09\x00\x02\x0012345\0\0\0" + b"\x09\x00\x01\x0012345\0\0\0"
    assert struct.unpack_from("=I", request)[0] == len(request)


@pytest.mark.parametrize("number", [0, errno.EEXIST, errno.EPERM])
def test_the_answer_has_the_error(number: int) -> None:
    answer = struct.pack("=IHHIIi", 36, 2, 0, 5, 0, -number) + bytes(16)

    assert rtnetlink.error_of(answer, 5) == number


@pytest.mark.parametrize(
    "answer", [b"", bytes(15), struct.pack("=IHHIIi", 36, 2, 0, 6, 0, 0), struct.pack("=IHHIIi", 36, 3, 0, 5, 0, 0)]
)
def test_what_is_no_answer_to_the_request_is_an_error(answer: bytes) -> None:
    with pytest.raises(ValueError, match="netlink"):
        rtnetlink.error_of(answer, 5)
