"""hosts(5) and resolv.conf(5): what can be read of them counts, and a change is seen."""

import os
from pathlib import Path

from iron_proxy.upstream.name_files import WatchedFile, build_dns_resolver, parse_hosts, parse_resolv_conf


def test_resolv_conf_is_read_with_its_servers_search_list_and_rotation() -> None:
    resolver = parse_resolv_conf(
        "# comment\nnameserver 10.0.0.2\nnameserver fd00::2\nnameserver https://dns.test/\nnameserver\n"
        "search a.test b..test c.test\noptions ndots:5 rotate\n"
    )

    assert list(resolver.nameservers) == ["10.0.0.2", "fd00::2"]
    assert [name.to_text() for name in resolver.search] == ["a.test.", "c.test."]
    assert resolver.rotate is True


def test_without_a_server_the_machines_own_is_asked() -> None:
    assert list(parse_resolv_conf("").nameservers) == ["127.0.0.1", "::1"]


def test_lines_of_a_hosts_file_that_cannot_be_read_are_left_out() -> None:
    hosts = parse_hosts("nonsense a.test\n\n#10.0.0.1 b.test\nfe80::1%lo0 c.test\n10.0.0.1 d.test d.test\n10.0.0.1\n")

    assert hosts == {"d.test": ["10.0.0.1"]}


def test_a_watched_file_may_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = WatchedFile(str(path), str.upper)

    seen = [file.current]
    path.write_text("one")
    seen.append(file.current)
    os.remove(path)
    seen.append(file.current)

    assert seen == ["", "ONE", ""]


def test_a_domain_line_is_a_search_list_of_one() -> None:
    assert [name.to_text() for name in parse_resolv_conf("domain corp.test").search] == ["corp.test."]


def test_names_in_a_hosts_file_are_compared_in_lower_case_and_without_a_last_dot() -> None:
    assert parse_hosts("10.0.0.1 Db.TEST. # not.this\n") == {"db.test": ["10.0.0.1"]}


def test_a_file_that_has_not_changed_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    parsed: list[str] = []
    file = WatchedFile(str(path), parsed.append)

    for _ in range(3):
        assert file.current is None

    assert parsed == ["", "one"]


def test_bytes_that_are_no_text_do_not_end_lookups(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"\xff\xfe\n10.0.0.1 db.test\n")

    assert WatchedFile(str(path), parse_hosts).current == {"db.test": ["10.0.0.1"]}


def test_a_resolver_asks_the_servers_it_is_given_and_reads_no_file() -> None:
    resolver = build_dns_resolver(("192.0.2.53",), 5353)

    assert (list(resolver.nameservers), resolver.port, resolver.search) == (["192.0.2.53"], 5353, [])
