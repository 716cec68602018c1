"""docs/howto/install.md does what it says: its commands, word for word, and its table of what a base install is."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, fenced_blocks, text_of
from tests.installed.installations import (
    DIST,
    NEEDED,
    PYTHONS,
    TOOLS,
    artefact,
    clean_environment,
    in_environment,
    interpreter,
)

pytestmark = NEEDED

PAGE = "docs/howto/install.md"
TABLE = re.compile("(?<=<!-- base install -->\n).*(?=<!-- end of base install -->)", re.DOTALL)

# Wheels differ a little between Pythons and their releases.
TOLERANCE = 0.1


@pytest.mark.parametrize("block", fenced_blocks(text_of(PAGE), "sh"), ids=lambda block: block.split("\n")[0][:40])
def test_the_commands_of_the_page_work(block: str, tmp_path: Path) -> None:
    for file in [*DIST.iterdir(), ROOT / "requirements-runtime.lock"]:
        (tmp_path / file.name).symlink_to(file)
    home = tmp_path / "home"
    paths = [home / ".local/bin", tmp_path / "bin", Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin")]
    for tool in ("pipx", "uv", "uvx"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        found = next(folder / tool for folder in TOOLS if (folder / tool).exists())
        (tmp_path / "bin" / tool).symlink_to(found)
    (tmp_path / "bin" / "python3").symlink_to(interpreter(PYTHONS[0]))

    done = subprocess.run(
        ["sh", "-eu", "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env=clean_environment(
            HOME=str(home), PATH=":".join(map(str, paths)), PIPX_DEFAULT_PYTHON=interpreter(PYTHONS[0])
        ),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(home, ignore_errors=True)


def test_the_table_is_what_a_base_install_is(tmp_path: Path) -> None:
    installed = in_environment(tmp_path / "environment", PYTHONS[0], str(artefact("*.whl")))
    sizes = measured(installed.python.parent.parent)
    page = ROOT / PAGE
    text = page.read_text(encoding="utf-8")
    if "WRITE_INSTALL_PAGE" in os.environ:
        text = TABLE.sub(table(sizes), text)
        page.write_text(text, encoding="utf-8")

    found = TABLE.search(text)
    assert found is not None
    written = {name: float(size) for name, size in re.findall(r"(?m)^\| `?([\w.-]+)`? \| ([\d.]+) \|$", found[0])}

    assert written.keys() == {*sizes, "together"}
    assert written["together"] == pytest.approx(sum(sizes.values()), rel=TOLERANCE)


def measured(environment: Path) -> dict[str, float]:
    """Megabytes of each package that `pip install` brought, by the lists that it left."""
    (packages,) = environment.glob("lib/python*/site-packages")
    sizes = {}
    for record in packages.glob("*.dist-info/RECORD"):
        files = [line.split(",")[0] for line in record.read_text(encoding="utf-8").splitlines()]
        name = re.sub(r"[-_.]+", "-", record.parent.name.split("-")[0]).lower()
        if name not in ("pip", "setuptools"):
            sizes[name] = sum((packages / file).stat().st_size for file in files) / 1e6
    return sizes


def table(sizes: dict[str, float]) -> str:
    """The largest first."""
    rows = sorted(sizes.items(), key=lambda item: (-round(item[1], 1), item[0]))
    lines = [f"| `{name}` | {max(size, 0.1):.1f} |" for name, size in rows]
    head = ["", "| package | MB, with its bytecode |", "|---|---:|"]
    return "\n".join([*head, *lines, f"| together | {sum(sizes.values()):.1f} |", "", ""])
