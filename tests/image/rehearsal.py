"""
The steps of the Dockerfile, carried out in folders by root, for where there is no container engine.

The base image is not to be had there either: a Debian of the same release and Python, made by debootstrap, stands in.
FROM, COPY, RUN, ARG, ENV, WORKDIR and USER are carried out; LABEL, EXPOSE and STOPSIGNAL change nothing in a folder.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from tests.image.dockerfile import DOCKERFILE, ROOT, Instruction, Stage, pairs, stages

# Kept for the next time: it takes a minute.
BASE = ROOT / "build" / "image-base"

# What an engine lends to the steps of a build: names, and here the trust in a mirror of packages as well.
LENT = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs")

# How a step sees the folder: nothing of this machine but what is lent, and its mounts end with it.
_INSIDE = """
set -e
mount --make-rprivate /
for each in {lent}; do mount --bind $each {root}$each; done
mount -t proc proc {root}/proc
mount --bind /dev {root}/dev
exec env -i {environment} chroot {root} /bin/sh -ec 'cd {folder}; exec "$@"' step "$@"
"""


def base_image() -> Path:
    """A Debian with the Python of the base image. Raises CalledProcessError without a mirror of Debian."""
    if not (BASE / "usr/local/bin/python").is_symlink():
        shutil.rmtree(BASE, ignore_errors=True)
        release = stages(DOCKERFILE.read_text(encoding="utf-8"))[0].base.rpartition("-")[2]
        packages = "python3,python3-venv,ca-certificates"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={packages}", release, str(BASE)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        (BASE / "etc/ssl/certs").mkdir(exist_ok=True)
        # The official image has its Python there, under this name.
        (BASE / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    return BASE


def build(folder: Path) -> tuple[Path, Stage]:
    """The root of the image in a new folder below `folder`, and the stage that says how to run it."""
    roots: dict[str, Path] = {}
    name = ""
    found = stages(DOCKERFILE.read_text(encoding="utf-8"))
    for number, stage in enumerate(found):
        name = stage.name or f"stage-{number}"
        subprocess.run(["cp", "-a", str(base_image()), str(folder / name)], check=True)
        _Build(folder / name, roots).carry_out(stage)
        roots[name] = folder / name
    return roots[name], found[-1]


class _Build:
    """One stage: the state that its instructions leave to the next."""

    def __init__(self, root: Path, others: Mapping[str, Path]) -> None:
        self._root, self._others = root, others
        self._folder = "/"
        self._environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}

    def carry_out(self, stage: Stage) -> None:
        for instruction in stage.instructions:
            getattr(self, f"_{instruction.word.lower()}", self._ignore)(instruction)

    def _ignore(self, instruction: Instruction) -> None:
        known = {"LABEL", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "ARG", "USER"}
        assert instruction.word in known, f"{instruction.word} is not among what a rehearsal carries out"

    def _workdir(self, instruction: Instruction) -> None:
        self._folder = instruction.text
        self._inside(self._folder).mkdir(parents=True, exist_ok=True)

    def _env(self, instruction: Instruction) -> None:
        self._environment |= pairs(instruction)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.words
        context = self._others[instruction.options["from"]] if "from" in instruction.options else ROOT
        destination = self._inside(os.path.join(self._folder, target))
        for source in sources:
            origin = context / source.lstrip("/")
            into = destination / origin.name if target.endswith("/") else destination
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if context == ROOT else None
                shutil.copytree(origin, destination, symlinks=True, ignore=ignored)
            else:
                shutil.copy2(origin, into)

    def _run(self, instruction: Instruction) -> None:
        lent = {name: value for name, value in os.environ.items() if name in ("PIP_CERT", "PIP_DEFAULT_TIMEOUT")}
        step = step_inside(self._root, self._environment | lent, self._folder)
        subprocess.run([*step, "/bin/sh", "-c", instruction.text], check=True, stdin=subprocess.DEVNULL)

    def _inside(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def step_inside(root: Path, environment: Mapping[str, str], folder: str) -> list[str]:
    """The beginning of a command that runs the rest in the folder, in mounts of its own, with what an engine lends."""
    script = _INSIDE.format(
        root=shlex.quote(str(root)), lent=" ".join(LENT), folder=shlex.quote(folder),
        environment=shlex.join(f"{name}={value}" for name, value in environment.items()),
    )  # fmt: skip
    return ["unshare", "--mount", "--", "/bin/sh", "-c", script, "step"]


@contextmanager
def started(
    root: Path, stage: Stage, arguments: list[str] | None = None, entry: list[str] | None = None,
) -> Iterator["Container"]:  # fmt: skip
    """The image as an engine would run it: its user, no rights, a read-only root, a network of its own."""
    container = Container(root, stage)
    container.start(arguments or [], entry or [])
    try:
        yield container
    finally:
        container.process.kill()
        container.process.wait()


class Container:
    """A started image."""

    # The folder is bound on itself read-only; the network is a loopback, with ports below 1024 free as in Docker's.
    # The volumes alone can be written to.
    _AS_AN_ENGINE = """
set -e
mount --make-rprivate /
mount --bind {root} {root}
mount -o remount,bind,ro {root}
mount -t proc proc {root}/proc
for each in null urandom; do mount --bind /dev/$each {root}/dev/$each; done
for each in ca certs; do mount --bind {root}/$each {root}/$each; mount -o remount,bind,rw {root}/$each; done
ip link set lo up
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
exec setpriv --no-new-privs chroot --userspec={user} --groups= {root} env -i {environment} "$@"
"""

    def __init__(self, root: Path, stage: Stage) -> None:
        self._root, self._stage = root, stage
        self._environment = [f"{name}={value}" for each in stage.all("ENV") for name, value in pairs(each).items()]

    def start(self, arguments: list[str], entry: list[str]) -> None:
        """Its command, with the arguments and the entry point of `docker run` if there are any."""
        script = self._AS_AN_ENGINE.format(
            root=shlex.quote(str(self._root)), user=self._stage.last("USER").text,
            environment=shlex.join(self._environment),
        )  # fmt: skip
        command = [*(entry or self._stage.last("ENTRYPOINT").command), *(arguments or self._stage.last("CMD").command)]
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--", "/bin/sh", "-c", script, "container", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one more command in it as its user, as `docker exec` does."""
        user, group = self._stage.last("USER").text.split(":")
        return subprocess.run(
            [
                "nsenter", f"--target={self.process.pid}", "--mount", "--net", "--root", "--wd=/",
                "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs",
                "env", "-i", *self._environment, *command,
            ],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def wait_until_healthy(self, check: list[str], seconds: float) -> None:
        """Ask until the check passes; asking takes long enough to need no pause. Raises TimeoutError."""
        deadline = monotonic() + seconds
        while (asked := self.execute(*check)).returncode != 0:
            if monotonic() > deadline:
                raise TimeoutError(asked.stderr)
