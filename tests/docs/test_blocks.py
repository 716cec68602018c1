"""Every block of code in a page is held to something: commands are parsed, YAML is loaded, the rest has its reason."""

import io
import json
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path, PurePosixPath

import pytest
from ruamel.yaml import YAML
from tests.docs.named_tests import Named
from tests.docs.pages import ROOT, blocks, markdown_files, text_of
from tests.docs.shell_lines import OURS, calls_of_ours, commands

from iron_proxy.cli.arguments import read_files_and_flags
from iron_proxy.config.loading import examine_config
from iron_proxy.go_compat.flags import FlagSet
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.selftest.place import Outside

BLOCKS = [(page, language, body) for page in markdown_files() for language, body in blocks(text_of(page))]
COMMANDS = [(page, words) for page, language, body in BLOCKS if language == "" for words in commands(body)]
CALLS = [(page, call) for page, words in COMMANDS for call in calls_of_ours(words)]

# Programs of others that pages start, and why it is enough that a person reads the line.
NOT_RUN = {
    "cp": "files of a machine that is set up",
    "curl": "hosts of the internet; its options are looked up",
    "dig": "the DNS server of a network that is not here; tests/end_to_end/test_dns.py asks the same",
    "dmesg": "the log of a kernel that dropped something",
    "docker": "there is no Docker in the tests; tests/docs/test_deployments.py holds the compose files to their schema",
    "eval": "what it evaluates is a command of its own",
    "export": "a variable for the lines below it",
    "install": "files of a machine that is set up",
    "grep": "beside dmesg and journalctl",
    "journalctl": "a machine that runs systemd",
    "jq": "tests/docs/test_run_summary.py holds the keys that it reads",
    "kill": "SIGHUP: tests/end_to_end/test_reload.py sends it",
    "kubectl": "there is no cluster in the tests; tests/docs/test_deployments.py holds the manifests to their schema",
    "nft": "tests/end_to_end/test_nftables.py loads what `iron-proxy nft` prints",
    "pip": "installs from an index",
    "python": "pytest, as whoever changes the project runs it",
    "python3": "makes an environment",
    "ssh": "another machine",
    "systemctl": "a machine that runs systemd; tests/docs/test_deployments.py verifies the unit",
}
# By test_every_make_target_in_a_page_exists; by tests/docs/test_shown_output.py: test_the_ca_that_openssl_makes_is_one.
HELD_BY_TESTS = {"make", "openssl"}

SHOWN = "tests/docs/test_shown_output.py: "
RELEASE = "tests/packaging/test_release.py: "
FORMULA = "tests/docs/test_scale_out.py: test_the_formula_prints_what_stands_below_it"
TRANSCRIPT = "tests/end_to_end/test_first_run.py: test_the_transcript_is_what_happens"
# Blocks in languages that no test here loads: the test that holds each, or what it is instead of code.
OTHERWISE_HELD = {
    ("docs/explanation/architecture.md", "text"): "a drawing",
    ("docs/explanation/jail.md", "text"): "a drawing",
    ("docs/explanation/threat-model.md", "text"): "a drawing",
    ("docs/howto/explain-a-denial.md", "text"): SHOWN + "test_explain_prints_what_the_page_shows",
    ("docs/howto/install.md", "sh"): "tests/installed/test_install_page.py: test_the_commands_of_the_page_work",
    ("docs/howto/keep-an-audit-trail.md", "text"): SHOWN + "test_verify_words_its_findings_as_shown",
    ("docs/howto/scale-out.md", "python"): FORMULA,
    ("docs/howto/scale-out.md", "text"): FORMULA,
    ("docs/howto/test-with-the-egress-guard.md", "python"): "the same as in examples/pytest-egress, which is run",
    ("docs/howto/test-with-the-egress-guard.md", "text"): (
        "tests/end_to_end/test_pytest_plugin.py: "
        "test_the_examples_other_test_fails_though_the_program_swallows_the_error"
    ),
    ("docs/howto/verify-a-release.md", "sh"): RELEASE + "test_a_release_that_is_whole_is_verified",
    ("docs/reference/checks.md", "text"): SHOWN + "test_check_prints_what_the_page_shows",
    ("docs/reference/metrics.md", "promql"): SHOWN + "test_the_metrics_that_alarms_ask_for_exist",
    ("docs/reference/transforms/python.md", "toml"): "the packaging of somebody else's project",
    ("docs/tutorial/first-run.md", "console"): TRANSCRIPT,
    ("examples/tproxy/README.md", "ini"): "lines for a unit; tests/docs/test_deployments.py verifies the whole one",
}


def flags_of(arguments: list[str]) -> tuple[FlagSet, list[str], str]:
    """The flags of a command line of ours, what is left to parse, and the command's name."""
    word = arguments[0] if arguments else "-"
    if word.startswith("-"):
        return import_module("iron_proxy.cli.serve").FLAGS, arguments, "serve"
    module = import_module(f"iron_proxy.cli.{word.replace('-', '_')}")
    second = arguments[1] if word in ("audit", "secrets", "tproxy") else ""
    flags = getattr(module, {"keygen": "KEYGEN_FLAGS", "down": "DOWN_FLAGS"}.get(second, "FLAGS"))
    return flags, arguments[2 if second else 1 :], f"{word} {second}".strip()


# How many words of its own a command takes; a missing one takes none.
WORDS = dict.fromkeys(("run", "logs", "learn", "replay", "audit verify"), (1, 99)) | {"explain": (2, 2)}


@pytest.mark.parametrize(
    ("page", "arguments"), [pytest.param(page, call, id=f"{page}:{' '.join(call)[:40]}") for page, call in CALLS]
)
def test_a_command_of_ours_is_understood(page: str, arguments: list[str]) -> None:
    flags, rest, name = flags_of(arguments)

    read = read_files_and_flags(flags, rest)

    assert not isinstance(read, int), f"{page}: iron-proxy {' '.join(arguments)}"
    least, most = WORDS.get(name, (0, 0))
    assert least <= len(read[0]) <= most


def test_a_selftest_that_is_shown_does_not_allow_what_it_takes_for_denied() -> None:
    runs = [words for _, words in COMMANDS if "selftest" in words[2:] and "-against" not in words]
    allowed = {words[at + 1] for words in runs for at, word in enumerate(words) if word.lstrip("-") == "allow"}

    assert allowed
    assert Outside().page.host not in allowed


def test_what_the_readme_sends_holds_the_token_that_its_configuration_requires() -> None:
    ((configuration, page),) = [
        (YAML(typ="safe").load(body), page)
        for page, language, body in BLOCKS
        if (page, language) == ("README.md", "yaml")
    ]
    (secret,) = configuration["transforms"][1]["config"]["secrets"]
    host = secret["hosts"][0]["name"]
    requests = [words for name, words in COMMANDS if name == page and any(f"https://{host}/" in word for word in words)]

    assert secret["require"]
    assert len(requests) == 3
    assert [words for words in requests if not any(secret["proxy_value"] in word for word in words)] == []


def test_every_other_program_has_a_test_or_a_reason() -> None:
    started = {PurePosixPath(words[0]).name for _, words in COMMANDS} - {OURS, *HELD_BY_TESTS}

    assert started == set(NOT_RUN)


def test_the_options_of_curl_exist() -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    known = set(re.findall(r"(?<![\w-])--?[\w.-]+", subprocess.check_output([curl, "--help", "all"], text=True)))
    lines = [words for _, words in COMMANDS if words[0] == "curl"]

    asked = {word for words in lines for word in words if word.startswith("--")}
    short = [word for words in lines for word in words if re.fullmatch(r"-[a-zA-Z]+", word)]
    asked |= {f"-{letter}" for word in short for letter in word[1:]}

    assert asked <= known


def test_every_block_in_another_language_has_a_test_or_a_reason() -> None:
    others = {(page, language) for page, language, _ in BLOCKS if language not in ("", "yaml", "json")}
    named = [Named(*reason.split(": ")) for reason in OTHERWISE_HELD.values() if reason.startswith("tests/")]

    assert others == set(OTHERWISE_HELD)
    assert [test for test in named if not test.is_there()] == []


@pytest.mark.parametrize(
    ("page", "block"), [pytest.param(page, body, id=page) for page, language, body in BLOCKS if language == "json"]
)
def test_json_in_a_page_is_json(page: str, block: str) -> None:
    json.loads(block)


# --- YAML that is neither a whole configuration nor a list of transforms (those: test_reference_pages.py) -------------

PARTS = [
    pytest.param(body, id=f"{page}:{body.split()[0]}")
    for page, language, body in BLOCKS
    if language == "yaml" and not body.startswith(("# proxy.yaml\n", "transforms:\n", "- uses: "))
]
AROUND = {
    "dns": {"proxy_ip": "172.20.0.2"},
    "tls": {"mode": "sni-only"},
    "transforms": [{"name": "allowlist", "config": {"domains": ["example.com"]}}],
}


@pytest.mark.parametrize("block", PARTS)
def test_a_part_of_a_configuration_loads(block: str, tmp_path: Path) -> None:
    indented = "transforms:\n  - name: allowlist\n    config:\n" if block.startswith(" ") else ""
    file = tmp_path / "proxy.yaml"
    text = io.StringIO()
    YAML().dump(AROUND | YAML(typ="safe").load(indented + block), text)
    file.write_text(text.getvalue(), encoding="utf-8")

    config, problems = examine_config(str(file), {"IRON_MANAGEMENT_API_KEY": "k" * 64})
    build_pipeline(config, {})

    warned = [warning for warning in problems.warnings if "warns that nothing is enforced" not in block]
    assert problems.errors + warned == []


# --- steps of a workflow at GitHub ------------------------------------------------------------------------------------

STEPS = [
    step
    for _, language, body in BLOCKS
    if language == "yaml" and body.startswith("- uses: ")
    for step in YAML(typ="safe", pure=True).load(body)
]


def test_the_steps_of_a_workflow_give_our_actions_what_they_take() -> None:
    ours = [step for step in STEPS if step.get("uses", "").startswith("OWNER/iron-proxy")]
    for step in ours:
        folder = step["uses"].partition("@")[0].removeprefix("OWNER/iron-proxy").strip("/")
        action = YAML(typ="safe", pure=True).load(ROOT / folder / "action.yml")
        assert set(step.get("with", {})) <= set(action["inputs"]), step

    assert len(ours) >= 3
    assert all("run" in step for step in STEPS if "uses" not in step)
