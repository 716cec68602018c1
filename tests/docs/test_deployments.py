"""The examples of a unit, a workflow and manifests: held against their schemas, and against the code they use."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from iron_proxy.config.loading import examine_config
from iron_proxy.jail.client_environment import client_environment
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.runtime.lifecycle import DRAIN_SECONDS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
UNIT = EXAMPLES / "systemd" / "iron-proxy.service"
WORKFLOW = EXAMPLES / "github-actions" / "workflow.yml"
SIDECAR = EXAMPLES / "kubernetes-sidecar" / "manifests.yaml"
FLEET = EXAMPLES / "kubernetes"
MANIFESTS = [SIDECAR, *sorted(FLEET.glob("*.yaml"))]
BALANCER = EXAMPLES / "balancer"
COMPOSE = sorted(EXAMPLES.rglob("docker-compose.yml"))


def program(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def system_program(name: str) -> str:
    """One of those that live in sbin, which is not on every user's path."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def manifests(file: Path = SIDECAR) -> dict[str, Any]:
    """The manifests by `Kind/name`."""
    documents = YAML(typ="safe").load_all(file.read_text(encoding="utf-8"))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}


def complaints(file: Path, environment: dict[str, str]) -> list[str]:
    config, problems = examine_config(str(file), environment)
    build_pipeline(config, environment)
    return problems.errors + problems.warnings


# --- systemd --------------------------------------------------------------------------------------------------------


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    # The program is not installed where the unit expects it.
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub("(?m)^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8")))

    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_has_few_rights() -> None:
    analyze = program("systemd-analyze")

    # 10 is a service without any protection.
    run(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT))


def test_the_unit_hands_over_what_its_configuration_names() -> None:
    text = UNIT.read_text(encoding="utf-8")
    configuration = (UNIT.parent / "proxy.yaml").read_text(encoding="utf-8")

    named = set(re.findall(r"/run/credentials/iron-proxy\.service/([\w.-]+)", configuration))

    assert named == set(re.findall(r"(?m)^LoadCredential=([\w.-]+):", text))


# --- GitHub Actions -------------------------------------------------------------------------------------------------


def test_the_workflow_follows_its_schema() -> None:
    run(program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", str(WORKFLOW))


def test_the_configuration_of_the_workflow_loads() -> None:
    assert complaints(WORKFLOW.parent / "iron-proxy.yaml", {}) == []


def test_the_secret_is_in_the_environment_of_one_step() -> None:
    job = YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["build"]

    assert [step["id"] for step in job["steps"] if "secrets." in str(step)] == ["start"]


# --- compose --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_a_compose_file_follows_its_schema(file: Path) -> None:
    run(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file))


def test_the_client_sends_the_five_requests() -> None:
    script = (EXAMPLES / "docker-compose" / "client.sh").read_text(encoding="utf-8")

    assert re.findall(r'^show "([1-9])\.', script, re.MULTILINE) == list("12345")
    assert "sk-real" not in script


# --- Kubernetes -----------------------------------------------------------------------------------------------------


# 1.29 is the first with sidecars.
@pytest.mark.parametrize("version", ["1.29", "1.34"])
def test_the_manifests_follow_the_schema(version: str) -> None:
    run(program("kubernetes-validate"), "--strict", "--no-warn", "-k", version, *map(str, MANIFESTS))


def test_the_configuration_in_the_manifests_loads(tmp_path: Path) -> None:
    data = manifests()["ConfigMap/iron-proxy"]["data"]
    (tmp_path / "proxy.yaml").write_text(data["proxy.yaml"], encoding="utf-8")
    (tmp_path / "start.sh").write_text(data["start.sh"], encoding="utf-8")

    assert complaints(tmp_path / "proxy.yaml", {}) == []
    run("sh", "-n", str(tmp_path / "start.sh"))


def test_the_variables_in_the_manifests_are_those_of_env() -> None:
    assert manifests()["ConfigMap/workload-environment"]["data"] == client_environment(
        "/trust/ca-bundle.crt", "/trust/ca.crt", "/trust/ca-bundle.p12", "http://127.0.0.1:8080"
    )


def test_key_and_secret_stay_with_the_sidecar() -> None:
    pod = manifests()["Deployment/workload"]["spec"]["template"]["spec"]
    (sidecar,), (workload,) = pod["initContainers"], pod["containers"]

    assert {mount["name"] for mount in workload["volumeMounts"]} == {"trust"}
    assert {mount["name"] for mount in sidecar["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert "real-secrets" not in str(workload)


# --- a fleet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deployment.yaml", "daemonset.yaml"])
def test_the_configuration_of_a_fleet_loads(name: str, tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(manifests(FLEET / name)["ConfigMap/iron-proxy"]["data"]["proxy.yaml"], encoding="utf-8")

    assert complaints(file, {}) == []


@pytest.mark.parametrize(("name", "kind"), [("deployment.yaml", "Deployment"), ("daemonset.yaml", "DaemonSet")])
def test_a_pod_has_the_time_to_drain(name: str, kind: str, tmp_path: Path) -> None:
    found = manifests(FLEET / name)
    file = tmp_path / "proxy.yaml"
    file.write_text(found["ConfigMap/iron-proxy"]["data"]["proxy.yaml"], encoding="utf-8")
    delay = examine_config(str(file), {})[0].proxy.drain_delay
    pod = found[f"{kind}/iron-proxy"]["spec"]["template"]["spec"]
    readiness = pod["containers"][0]["readinessProbe"]

    assert readiness["periodSeconds"] * readiness["failureThreshold"] < delay
    assert delay + DRAIN_SECONDS < pod["terminationGracePeriodSeconds"]


def test_services_autoscaler_and_policy_mean_the_pods_of_the_fleet() -> None:
    deployment, daemonset = manifests(FLEET / "deployment.yaml"), manifests(FLEET / "daemonset.yaml")
    policies = manifests(FLEET / "network-policy.yaml")
    labels = {"app": "iron-proxy"}
    (rule,) = policies["NetworkPolicy/egress-through-iron-proxy"]["spec"]["egress"]

    for pods in (deployment["Deployment/iron-proxy"], daemonset["DaemonSet/iron-proxy"]):
        assert pods["spec"]["template"]["metadata"]["labels"] == labels
        assert rule["to"][0]["podSelector"]["matchLabels"] == labels
        assert pods["metadata"]["namespace"] in rule["to"][0]["namespaceSelector"]["matchLabels"].values()
    for service in (deployment["Service/iron-proxy"], daemonset["Service/iron-proxy"]):
        assert service["spec"]["selector"] == labels
        assert [port["port"] for port in service["spec"]["ports"]] == [port["port"] for port in rule["ports"]]
    assert deployment["HorizontalPodAutoscaler/iron-proxy"]["spec"]["scaleTargetRef"]["kind"] == "Deployment"


def test_haproxy_accepts_its_configuration() -> None:
    run(system_program("haproxy"), "-c", "-f", str(BALANCER / "haproxy.cfg"))


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    configuration = BALANCER / "nginx.cfg"
    module = re.findall(r"(?m)^load_module (\S+);", configuration.read_text(encoding="utf-8"))[0]
    if not Path(module).exists():
        pytest.skip("nginx's stream module is not installed (Debian: libnginx-mod-stream)")

    run(system_program("nginx"), "-t", "-e", "stderr", "-g", f"pid {tmp_path}/pid;", "-c", str(configuration))


# --- the index ------------------------------------------------------------------------------------------------------


def test_every_example_is_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    missing = [path.name for path in EXAMPLES.iterdir() if path.name != "README.md" and f"({path.name})" not in index]

    assert missing == []
