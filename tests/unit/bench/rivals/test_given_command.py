import sys
from pathlib import Path

import pytest
from bench.rivals.given_command import PLACEHOLDERS, parse_rival
from bench.setting import REAL_SECRET
from tests.unit.bench.a_run import a_setting

ROOT = Path(__file__).parents[4]


def test_the_command_is_split_as_a_shell_would_and_filled_in(tmp_path: Path) -> None:
    arm = parse_rival("other=serve --listen 127.0.0.1:{https_port} --name 'a b' --to {origin_https_port} --ca {ca}")

    launch = arm.prepare(a_setting(tmp_path), tmp_path)

    expected = ("serve", "--listen", f"127.0.0.1:{launch.ports.https}", "--name", "a b", "--to", "8443")
    assert launch.command == (*expected, "--ca", str(tmp_path / "ca.crt"))


def test_braces_that_are_the_programs_own_stay_in_its_configuration(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("listen: {http_port}\nvalues: {a: 1, b: {unknown}}\nsecret: {secret}\n")
    folder = tmp_path / "arm"
    folder.mkdir()

    launch = parse_rival(f"other=serve {{config:{template}}}").prepare(a_setting(tmp_path), folder)

    copy = Path(launch.command[1])
    assert copy == folder / "template.yaml"
    text = copy.read_text()
    assert text == f"listen: {launch.ports.http}\nvalues: {{a: 1, b: {{unknown}}}}\nsecret: {REAL_SECRET}\n"
    assert "{http_port}" in template.read_text()


def test_a_line_per_request_is_counted_where_the_command_names_its_log(tmp_path: Path) -> None:
    setting = a_setting(tmp_path)

    assert parse_rival("a=serve --log {log}").prepare(setting, tmp_path).log == tmp_path / "access.log"
    assert parse_rival("a=serve").prepare(setting, tmp_path).log is None
    printed = parse_rival("a=serve {output_log}").prepare(setting, tmp_path)
    assert printed.log == tmp_path / "output.log"
    assert printed.command == ("serve",)


def test_a_configuration_can_name_the_log(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("log: {log}\n")
    folder = tmp_path / "arm"
    folder.mkdir()

    launch = parse_rival(f"a=serve {{config:{template}}}").prepare(a_setting(tmp_path), folder)

    assert launch.log == folder / "access.log"


def test_unary_calls_are_left_out_without_a_port_for_them() -> None:
    assert "h2_port" in parse_rival("a=serve {https_port}").cannot["unary-h2"]
    assert parse_rival("a=serve {h2_port}").cannot == {}


def test_it_trusts_the_runs_ca_and_has_the_secret_in_its_environment(tmp_path: Path) -> None:
    environment = parse_rival("a=serve").prepare(a_setting(tmp_path), tmp_path).environment

    assert environment["SSL_CERT_FILE"] == str(tmp_path / "ca.crt")
    assert environment["BENCH_SECRET"] == REAL_SECRET


def test_a_report_shows_the_programs_name_and_no_path() -> None:
    arm = parse_rival("a=/opt/some/where/serve --config /etc/secret.yaml")

    assert "`serve`" in arm.does
    assert "/" not in arm.does + arm.version()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert parse_rival(f"a={sys.executable}").missing() is None
    assert parse_rival("a=/nonexistent/proxy").missing() == "/nonexistent/proxy is not installed, or not a program"
    unreadable = parse_rival(f"a={sys.executable} {{config:{tmp_path}/none.yaml}}")
    assert unreadable.missing() == f"{tmp_path}/none.yaml cannot be read"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("serve", "write NAME=COMMAND"),
        ("=serve", "write NAME=COMMAND"),
        ("A B=serve", "write NAME=COMMAND"),
        ("a=", "a: the command behind the '=' is empty"),
        ("a=serve {port}", "a: {port} is none of http_port"),
        ("a=serve 'open", "No closing quotation"),
    ],
    ids=["no name", "empty name", "name with a blank", "no command", "unknown placeholder", "open quote"],
)
def test_a_wrong_rival_is_refused_with_the_remedy(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rival(text)


def test_the_readme_lists_every_placeholder() -> None:
    readme = (ROOT / "bench" / "README.md").read_text()

    assert [name for name in PLACEHOLDERS if f"`{{{name}}}`" not in readme] == []
