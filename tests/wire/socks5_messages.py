"""SOCKS5 messages of a client (RFC 1928 and 1929), each part replaceable."""

import ipaddress

NO_AUTHENTICATION = 0x00
USERNAME_AND_PASSWORD = 0x02
CONNECT, BIND, UDP_ASSOCIATE = 1, 2, 3
IPV4, DOMAIN, IPV6 = 1, 3, 4


def greeting(*methods: int, version: int = 5) -> bytes:
    return bytes((version, len(methods), *methods))


def request(address_type: int, address: bytes, port: int, command: int = CONNECT, version: int = 5) -> bytes:
    return bytes((version, command, 0, address_type)) + address + port.to_bytes(2)


def request_for_domain(domain: bytes, port: int, command: int = CONNECT) -> bytes:
    return request(DOMAIN, bytes((len(domain),)) + domain, port, command)


def request_for_address(text: str, port: int) -> bytes:
    address = ipaddress.ip_address(text)
    return request(IPV4 if address.version == 4 else IPV6, address.packed, port)


def credentials(username: bytes, password: bytes, version: int = 1) -> bytes:
    return bytes((version, len(username))) + username + bytes((len(password),)) + password
