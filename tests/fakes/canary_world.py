"""
A proxy that holds a marked secret of every kind, an origin that sends them back, and eyes on all that comes out.

`CanaryWorld.ask` sends a request that carries every token; `check` searches what clients got, what the process said,
its pages and its files in /proc. The fixture is `canaries` (tests/invariants/conftest.py).
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trustme
from tests.fakes.canary import Finder
from tests.fakes.echo_origin import Arrived, EchoOrigin
from tests.fakes.http2_peer import speak
from tests.fakes.running_proxy import RunningProxy, parse_line, request
from tests.fakes.wire_client import Answer, Way

Pair = tuple[bytes, bytes]

HOSTS = ("inject.test", "nx.test", "lo.test", "slow.test")

# The marks are random, so that no piece of one can be in anything by chance.
CANARIES = {
    "ENV": b"Kq7vZ2xW-5d1f0a77b3c9e644",
    "BASIC": b"pT4mJ8sY_a31c97e05f8840bd",
    "QUERY": b"hW6nR1kD+c8/e2=70b95d1446f",
    "FILE": b"uF3gV9bX.77d0ce1829ab53f6",
    "JSON": b"zN5tL0qH~19be4f6ad2c83075",
    "AWKWARD": "vB\"2'k\\<8d&>%41+c/=;e9é#6f5a ü03b7".encode(),
    "EIGHT": b"e8Zq4kWp",
    "PEM": b"",  # `pem()`: made when the session starts
}
TOKENS = {name: f"canary-proxy-token-of-{name.lower()}".encode() for name in ("JSON", "AWKWARD", "EIGHT", "PEM")}
PEM_BYTES = 4096


def pem() -> bytes:
    """A private key of the usual looks and of some KiB: several of them."""
    keys = b""
    while len(keys) < PEM_BYTES:
        keys += trustme.CA(key_type=trustme.KeyType.RSA).private_key_pem.bytes()
    return keys[:PEM_BYTES].rstrip(b"\n")


def environment(canaries: dict[str, bytes]) -> dict[str, str]:
    """What of them is in the proxy's environment."""
    document = json.dumps({"user": "u", "key": canaries["JSON"].decode()})
    plain = {f"CANARY_{name}": canaries[name].decode() for name in ("ENV", "BASIC", "QUERY", "AWKWARD", "EIGHT")}
    return {**plain, "CANARY_JSON": document}


def write_files(directory: Path, canaries: dict[str, bytes]) -> None:
    """What of them is in files."""
    (directory / "file").write_bytes(canaries["FILE"] + b"\n")
    (directory / "pem").write_bytes(canaries["PEM"])


def entries(directory: Path, **more: Any) -> list[dict[str, Any]]:
    """One entry for each, to every host that may have them; `more` are keys of all."""
    shared = {"rules": [{"host": host} for host in HOSTS], "allow_plaintext": True, **more}
    basic = {"header": "Authorization", "formatter": 'Basic {{ base64 "user:" .Value }}'}
    file = {"type": "file", "path": str(directory / "file"), "trim": True}
    return [
        {"source": _env("ENV"), "inject": {"header": "X-Secret-Env"}, **shared},
        {"source": _env("BASIC"), "inject": basic, **shared},
        {"source": _env("QUERY"), "inject": {"query_param": "key"}, **shared},
        {"source": file, "inject": {"header": "X-Secret-File"}, **shared},
        {"source": {**_env("JSON"), "json_key": "key"}, "replace": _token("JSON"), **shared},
        {"source": _env("AWKWARD"), "replace": _token("AWKWARD", match_query=True, match_path=True), **shared},
        {"source": _env("EIGHT"), "replace": _token("EIGHT"), **shared},
        {"source": {"type": "file", "path": str(directory / "pem")}, "replace": _token("PEM"), **shared},
    ]


def _env(name: str) -> dict[str, str]:
    return {"type": "env", "var": f"CANARY_{name}"}


def _token(name: str, **keys: bool) -> dict[str, Any]:
    """In fields and, as the only one that may hold newlines, the PEM in the body."""
    return {"proxy_value": TOKENS[name].decode(), "match_body": name == "PEM", **keys}


class CanaryWorld:
    """One test's look at the proxy. `check` is called by the fixture when the test ends."""

    def __init__(self, proxy: RunningProxy, origin: EchoOrigin, plain_origin: EchoOrigin, finder: Finder) -> None:
        self.proxy, self.finder = proxy, finder
        self.transforms: list[dict[str, Any]] = []  # the proxy's, for another one like it
        self.environment: dict[str, str] = {}
        self._origins = {True: origin, False: plain_origin}
        self._lines_before = len(proxy.lines)
        self._got: list[bytes] = []
        self._looks_at_received = True
        origin.begin_test()
        plain_origin.begin_test()

    def origin(self, way: Way) -> EchoOrigin:
        """The one that a way leads to."""
        return self._origins[way.is_tls]

    def last_arrived(self, way: Way) -> Arrived:
        """The newest request that an origin got."""
        return self.origin(way).arrived[-1]

    def wait_for_arrival(self, path: str, way: Way = Way.HTTPS) -> None:
        """Until an origin has the request for a path. Raises TimeoutError."""
        self.origin(way).wait_for(path)

    def forgive_received(self) -> None:
        """The test looks at what its clients received itself, and may keep some of it."""
        self._looks_at_received = False

    def ask(
        self, path: str, way: Way = Way.HTTPS, *, version: int = 1, host: str = "inject.test", port: int | None = None,
        method: str = "POST", headers: Iterable[Pair] = (), with_tokens: bool = True,
    ) -> Answer:  # fmt: skip
        """A request with every token in it, on a connection of its own."""
        port = self.origin(way).port if port is None else port
        fields = [*(carrying_fields() if with_tokens else ()), *headers]
        body = TOKENS["PEM"] if with_tokens and method == "POST" else b""
        self.proxy.started += 1
        if version == 2:
            with speak(self.proxy, way, host, port) as peer:
                answer: Answer = peer.ask(path, method, fields, body or None)
        else:
            lines = b"".join(b"%b: %b\r\n" % pair for pair in fields).decode("latin-1")
            with self.proxy.open(way, host, port) as session:
                session.send(request(path, f"{host}:{port}", method=method, headers=lines, body=body))
                answer = session.read_answer(method)
        self.note(answer)
        return answer

    def note(self, answer: Answer) -> None:
        """What a client got, for the search: apart from frames and chunks."""
        fields = b"\n".join(name + b": " + value for name, value in (*answer.headers, *answer.trailers))
        self._got += [fields, answer.body]

    def hits(self) -> list[str]:
        """Every place where a secret is that should not have it."""
        proxy, found = self.proxy, []
        for session in proxy.sessions if self._looks_at_received else ():
            found += [f"received: {hit}" for hit in self.finder.find(bytes(session.received))]
        for text in self._got if self._looks_at_received else ():
            found += [f"answer: {hit}" for hit in self.finder.find(text)]
        said = "".join(proxy.lines[self._lines_before :]).encode()
        found += [f"stderr: {hit}" for hit in self.finder.find(said)]
        return found

    def check(self) -> None:
        """See that no secret is anywhere."""
        self.proxy.settle()
        hits = self.hits()
        assert not hits, hits


def carrying_fields() -> list[Pair]:
    """A field for each token that goes into one."""
    return [(b"X-Secret-" + name.encode(), token) for name, token in TOKENS.items() if name != "PEM"]


def process_texts(pid: int) -> dict[str, bytes]:
    """
    What other users of the machine may read of a process, and what its own user sees in `ps`, `top` and `lsof`.

    Without `environ`: the secrets come in by it. Without `mem` and `maps`: they have to be somewhere.
    """
    place = Path(f"/proc/{pid}")
    files = [place / name for name in ("cmdline", "comm", "status", "stat", "wchan", "cgroup", "mountinfo", "limits")]
    files += place.glob("task/*/comm")
    texts = {str(file): file.read_bytes() for file in files if file.exists()}
    texts["fd"] = "\n".join(_link(file) for file in (place / "fd").iterdir()).encode()
    return texts


def _link(file: Path) -> str:
    try:
        return os.readlink(file)
    except FileNotFoundError:  # closed meanwhile
        return ""


def messages(proxy: RunningProxy, start: int) -> list[str]:
    """What the process has said since a line."""
    return [parse_line(line)["msg"] for line in proxy.lines[start:]]
