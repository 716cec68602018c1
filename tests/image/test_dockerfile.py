"""The Dockerfile and the Compose files: hadolint's rules, the published schema, and what we promise of the image."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.image.dockerfile import DOCKERFILE, ROOT, Instruction, Stage, pairs, stages

from iron_proxy.config.loading import examine_config
from iron_proxy.config.schema import DEFAULT_METRICS_LISTEN
from iron_proxy.runtime.assemble import build_pipeline

DOCKERFILES = sorted(
    str(path.relative_to(ROOT)) for path in [DOCKERFILE, *(ROOT / "examples").rglob("Dockerfile*")]
)  # fmt: skip
COMPOSE = ROOT / "docker" / "docker-compose.yml"


def run(*command: str) -> None:
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def build_and_final() -> list[Stage]:
    return stages(DOCKERFILE.read_text(encoding="utf-8"))


def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


# --- the Dockerfile -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    run("hadolint", "--no-color", str(ROOT / name))


def test_the_image_is_the_last_of_two_stages_on_one_pinned_base() -> None:
    build, final = build_and_final()

    assert build.base == final.base
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", final.base)
    assert [copied.options.get("from") for copied in final.all("COPY")] == [build.name]


def test_no_tool_of_the_build_gets_into_the_image() -> None:
    _, final = build_and_final()

    assert [copied.words for copied in final.all("COPY")] == [["/opt/iron-proxy"] * 2]
    assert not [each for each in final.all("RUN") if re.search(r"\b(pip|apt-get|curl|wget)\b", each.text)]


def test_what_is_installed_is_checked_by_its_hash_or_comes_from_no_network() -> None:
    build, _ = build_and_final()
    installed = [part for each in build.all("RUN") for part in each.text.split("&&") if " install " in part]

    assert len(installed) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in installed)


def test_the_image_runs_as_a_user_that_is_named_by_its_number() -> None:
    _, final = build_and_final()

    # By number: runAsNonRoot of Kubernetes refuses a name.
    assert final.last("USER").text == "65532:65532"


def test_arguments_of_docker_run_are_arguments_of_the_command() -> None:
    _, final = build_and_final()

    assert final.last("ENTRYPOINT").command == ["iron-proxy"]
    assert final.last("CMD").command == ["-config", "/etc/iron-proxy/proxy.yaml"]


def test_the_health_check_asks_the_default_listener() -> None:
    _, final = build_and_final()
    check = final.last("HEALTHCHECK")

    port = DEFAULT_METRICS_LISTEN.removeprefix(":")
    assert f"('127.0.0.1', {port}, " in check.text
    assert "'/healthz'" in check.text
    assert check.options.keys() == {"interval", "timeout", "start-period", "retries"}


def test_labels_are_those_of_the_open_containers() -> None:
    _, final = build_and_final()
    labels = pairs(final.last("LABEL"))

    assert {name.removeprefix("org.opencontainers.image.") for name in labels} == {
        "title", "description", "licenses", "version", "revision",
    }  # fmt: skip
    assert [argument.text.partition("=")[0] for argument in final.all("ARG")] == ["VERSION", "REVISION"]


def test_nothing_in_it_is_of_one_architecture() -> None:
    assert not re.search(r"amd64|x86_64|arm64|aarch64", "".join(map(str, build_and_final())))


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    build, _ = build_and_final()
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")

    admitted = {line[1:] for line in lines if line.startswith("!")}

    assert "*" in lines
    assert admitted == {word for copied in build.all("COPY") for word in copied.words[:-1]}
    assert all((ROOT / name).exists() for name in admitted)


def test_a_line_that_goes_on_is_one_instruction() -> None:
    text = 'ARG A=x\nFROM ${A} AS one\nRUN first \\\n  # a remark\n  && second\nCOPY --from=one /a /b\nCMD ["a", "b"]\n'

    (stage,) = stages(text)

    assert (stage.base, stage.name) == ("x", "one")
    assert stage.instructions[0] == Instruction("RUN", {}, "first && second")
    assert stage.instructions[1] == Instruction("COPY", {"from": "one"}, "/a /b")
    assert stage.last("CMD").command == ["a", "b"]


# --- docker/ --------------------------------------------------------------------------------------------------------


def test_the_sandbox_follows_the_schema_of_compose() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_the_workload_is_in_a_network_without_a_way_out_and_asks_the_proxy() -> None:
    document = YAML(typ="safe").load(COMPOSE.read_text(encoding="utf-8"))
    workload, proxy = document["services"]["workload"], document["services"]["proxy"]
    (network,) = workload["networks"]

    assert document["networks"][network]["internal"] is True
    assert workload["dns"] == [proxy["networks"][network]["ipv4_address"]]
    assert [name for name in proxy["networks"] if not document["networks"][name].get("internal")]


def test_the_key_of_the_ca_and_the_real_secret_stay_with_the_proxy() -> None:
    workload = services()["workload"]

    assert [volume for volume in workload["volumes"] if volume.startswith("ca:")] == []
    assert workload["environment"]["OPENAI_API_KEY"].startswith("proxy-")


@pytest.mark.parametrize("name", ["ca", "proxy", "workload"])
def test_a_service_writes_nothing_and_has_no_right(name: str) -> None:
    service = services()[name]

    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_is_mounted_is_there() -> None:
    volumes = [volume.split(":")[0] for service in services().values() for volume in service["volumes"]]

    assert [path for path in volumes if path.startswith(".") and not (COMPOSE.parent / path).is_file()] == []
    run("sh", "-n", str(COMPOSE.parent / "workload.sh"))


def test_the_policy_loads_without_a_complaint() -> None:
    environment = {"OPENAI_API_KEY": "sk-real"}
    config, problems = examine_config(str(COMPOSE.parent / "proxy.yaml"), environment)
    build_pipeline(config, environment)

    assert problems.errors + problems.warnings == []
    assert config.dns.proxy_ip == services()["proxy"]["networks"]["inside"]["ipv4_address"]
