"""The image without an engine: its steps are carried out in a folder, and the result is run as an engine would."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.image.dockerfile import ROOT, Stage
from tests.image.rehearsal import build, started

from iron_proxy.version import __version__

pytestmark = pytest.mark.skipif("IMAGE_CHECK" not in os.environ, reason="needs mirrors and minutes: make image-check")

IMAGE = tuple[Path, Stage]

ASK = """
import http.client
connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=5)
connection.request("GET", "/", headers={"Host": "example.com"})
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IMAGE]:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("root and debootstrap are needed")
    folder = tmp_path_factory.mktemp("image")
    root, stage = build(folder)
    (root / "etc/iron-proxy").mkdir()
    shutil.copy(ROOT / "docker" / "proxy.yaml", root / "etc/iron-proxy")
    yield root, stage
    shutil.rmtree(folder)


def test_its_command_runs_as_its_user_on_a_read_only_root(image: IMAGE) -> None:
    with started(*image, ["version"]) as container:
        said, _ = container.process.communicate(timeout=60)

    assert (said, container.process.returncode) == (f"{__version__}\n", 0)


def test_it_becomes_healthy_denies_and_stops_when_asked(image: IMAGE) -> None:
    make_ca(image)
    check = json.loads(image[1].last("HEALTHCHECK").text.removeprefix("CMD "))

    with started(*image) as container:
        container.wait_until_healthy(check, 60)
        status = Path(f"/proc/{container.process.pid}/status").read_text(encoding="ascii")
        denied = container.execute("python", "-I", "-c", ASK)
        written = container.execute("touch", "/tmp/something")
        container.process.terminate()
        said, _ = container.process.communicate(timeout=30)

    assert denied.stdout == "403\n", denied.stderr
    assert "Read-only file system" in written.stderr
    assert container.process.returncode == 0, said
    assert "Uid:\t65532\t65532\t65532\t65532" in status
    assert "CapEff:\t0000000000000000" in status


def make_ca(image: IMAGE) -> None:
    """What the service `ca` of docker-compose.yml does."""
    file = ROOT / "docker" / "docker-compose.yml"
    service = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["services"]["ca"]
    with started(*image, service["command"], service["entrypoint"]) as container:
        said, _ = container.process.communicate(timeout=60)
    assert container.process.returncode == 0, said
