"""Cases that send nothing: what lies open to a program in this place, and what it may do to its surroundings."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from iron_proxy.selftest.case import Case, Group, Severity
from iron_proxy.selftest.credentials import find_credentials, parse_environ
from iron_proxy.selftest.place import Place
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import connect_unix

# Where proxies keep the key that signs for every host, below / and below the home folder (~).
_KEY_FOLDERS: Final = (
    "etc/iron-proxy", "var/lib/iron-proxy", "etc/ssl/private", "etc/squid", "etc/mitmproxy", "~/.mitmproxy",
    "~/.iron-proxy", "~/.local/share/mkcert",
)  # fmt: skip
_CREDENTIAL_FILES: Final = (
    "~/.aws/credentials", "~/.netrc", "~/.git-credentials", "~/.docker/config.json", "~/.kube/config", "~/.pypirc",
    "~/.config/gh/hosts.yml", "~/.config/gcloud/application_default_credentials.json", "~/.ssh/id_rsa",
    "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "var/run/secrets/kubernetes.io/serviceaccount/token",
)  # fmt: skip
_SERVICES: Final = (
    "run/docker.sock", "var/run/docker.sock", "run/containerd/containerd.sock", "run/podman/podman.sock",
    "run/crio/crio.sock", "run/dbus/system_bus_socket", "run/systemd/private",
)  # fmt: skip
# linux/capability.h: what leads around a firewall, into other processes, or past the rights of files.
_CAPABILITIES: Final = {
    2: "CAP_DAC_READ_SEARCH", 12: "CAP_NET_ADMIN", 16: "CAP_SYS_MODULE", 17: "CAP_SYS_RAWIO", 19: "CAP_SYS_PTRACE",
    21: "CAP_SYS_ADMIN", 39: "CAP_BPF",
}  # fmt: skip
_PRIVATE_KEY: Final = b"PRIVATE KEY-----"
# A PEM file is smaller, and a folder with more files is no folder of keys.
_MAX_READ, _MAX_FILES = 64 * 1024, 200


def variables(place: Place, trial: Trial) -> None:
    """Environment variables that hold a credential."""
    trial.notes.append(f"{len(place.environment)} variables read")
    for name in find_credentials(place.environment, place.known_tokens):
        trial.prove(f"{name} holds what looks like a real credential")


def signing_keys(place: Place, trial: Trial) -> None:
    """Private keys in the folders of proxies, and beside the CA that clients are told to trust."""
    folders = [_placed(place, folder) for folder in _KEY_FOLDERS]
    if bundle := place.environment.get("SSL_CERT_FILE"):
        folders.append(_placed(place, bundle).parent)
    for folder in dict.fromkeys(folders):
        for path in _files(folder):
            if _PRIVATE_KEY in _content(path):
                trial.prove(f"{path} can be read and holds a private key")
    trial.notes.append(f"{len(folders)} folders searched")


def credential_files(place: Place, trial: Trial) -> None:
    """Files in which tools keep their credentials."""
    for name in _CREDENTIAL_FILES:
        path = _placed(place, name)
        if _content(path).strip():
            trial.prove(f"{path} can be read")
    trial.notes.append(f"{len(_CREDENTIAL_FILES)} files looked for")


def other_processes(place: Place, trial: Trial) -> None:
    """The environment of other processes."""
    read = 0
    for folder in sorted((place.root / "proc").glob("[0-9]*")):
        if folder.name == str(os.getpid()):
            continue
        environment = parse_environ(_content(folder / "environ"))
        read += bool(environment)
        strange = {name: value for name, value in environment.items() if place.environment.get(name) != value}
        for name in find_credentials(strange):
            trial.prove(f"process {folder.name} has {name}, which looks like a real credential")
    trial.notes.append(f"{read} other processes' environments can be read")


def services(place: Place, trial: Trial) -> None:
    """Sockets of services that do things outside, and agents that sign."""
    paths = [str(place.root / service) for service in _SERVICES]
    paths += [place.environment[name] for name in ("SSH_AUTH_SOCK", "GPG_AGENT_INFO") if name in place.environment]
    for path in paths:

        def act(token: bytes, path: str = path) -> bytes:
            connect_unix(path, place.timeout).close()
            return b"connected"

        if trial.attempt(path, act):
            trial.prove(f"{path} takes connections")


def capabilities(place: Place, trial: Trial) -> None:
    """The capabilities that this process has."""
    status = _content(place.root / "proc/self/status").decode("ascii", "replace")
    words = [line.split() for line in status.splitlines() if line.startswith("CapEff:")]
    if not words:
        trial.cannot("there is no /proc/self/status to read")
        return
    held = int(words[0][1], 16)
    trial.notes.append(f"effective capabilities {words[0][1]}")
    for bit, name in _CAPABILITIES.items():
        if held >> bit & 1:
            trial.prove(f"this process has {name}")


def _placed(place: Place, name: str) -> Path:
    if name.startswith("~/"):
        name = place.environment.get("HOME", "/nonexistent") + name[1:]
    return place.root / name.lstrip("/")


def _files(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())[:_MAX_FILES]
    except OSError:
        return
    yield from (entry for entry in entries if entry.is_file())


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_READ)
    except OSError:
        return b""


CASES: Final = (
    Case(
        "env-secrets", Group.SURROUNDINGS, Severity.CRITICAL,
        "environment variables in the form of real credentials", "one is there: it can leave by any allowed host",
        "give the workload a proxy token in its place; say -token NAME for a variable that holds one already",
        variables,
    ),
    Case(
        "proxy-keys", Group.SURROUNDINGS, Severity.CRITICAL,
        "private keys in the folders of proxies and beside the trusted CA", "one can be read: it signs for every host",
        "keep the CA's key where the workload cannot read it; give it the certificate alone",
        signing_keys,
    ),
    Case(
        "credential-files", Group.SURROUNDINGS, Severity.HIGH,
        "files in which tools keep credentials", "one can be read: it can leave by any allowed host",
        "run the workload with a home folder of its own, and proxy tokens in such files",
        credential_files,
    ),
    Case(
        "other-processes", Group.SURROUNDINGS, Severity.CRITICAL,
        "environments of other processes", "one holds what looks like a real credential",
        "run the workload as another user or in a PID namespace of its own",
        other_processes,
    ),
    Case(
        "host-services", Group.SURROUNDINGS, Severity.CRITICAL,
        "sockets of container engines, D-Bus and agents", "one takes connections: it acts outside on request",
        "do not mount them; cover /run",
        services,
    ),
    Case(
        "capabilities", Group.SURROUNDINGS, Severity.HIGH,
        "capabilities that lead around a firewall or into other processes", "this process has one",
        "drop them (docker run --cap-drop ALL, setpriv), or run the workload as another user",
        capabilities,
    ),
)  # fmt: skip
