import json
from pathlib import Path

from iron_proxy.testing.completion import completed, mapping_of, written


def test_what_is_not_said_is_for_a_test(tmp_path: Path) -> None:
    whole, ca_file = completed({"proxy": {"http_listen": "127.0.0.1:0"}}, tmp_path)

    assert whole["proxy"] == {
        "http_listen": "127.0.0.1:0", "https_listen": "off", "tunnel_listen": "127.0.0.1:0",
    }  # fmt: skip
    assert whole["dns"] == {"enabled": False}
    assert whole["metrics"] == {"listen": "off"}
    assert ca_file == tmp_path / "ca.crt"
    assert ca_file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_ca_that_is_configured_stays(tmp_path: Path) -> None:
    whole, ca_file = completed({"tls": {"ca_cert": "my.crt", "ca_key": "my.key"}}, tmp_path)

    assert (whole["tls"], ca_file) == ({"ca_cert": "my.crt", "ca_key": "my.key"}, Path("my.crt"))
    assert list(tmp_path.iterdir()) == []


def test_where_no_tls_is_terminated_there_is_no_ca(tmp_path: Path) -> None:
    assert completed({"tls": {"mode": "sni-only"}}, tmp_path)[1] is None


def test_a_file_is_read_as_the_mapping_it_holds(tmp_path: Path) -> None:
    path = written({"metrics": {"listen": "off"}}, tmp_path)

    assert mapping_of(path) == json.loads(path.read_text()) == {"metrics": {"listen": "off"}}
