"""Who may import whom, and which calls may stand where: `docs/explanation/architecture.md`, enforced."""

import re
import sys
import tomllib
from collections.abc import Callable

import pytest
from tests.structure.source_tree import ROOT, calls, imported_modules, imports_at_load, source_files, tree_of

# Imports go downward only. Folders on one line do not import each other.
LAYERS = (
    {"__main__"},
    {"cli", "testing"},
    # A session is where a jail and the proxy meet, so that it stands above both.
    {"doctor", "session", "workers", "github_action"},
    {"demo", "selftest"},
    {"runtime", "jail", "learning", "nftables", "presets"},
    {"listeners", "management", "control_plane", "postgres"},
    {"inspection"},
    {"proxy"},
    {"transforms", "mcp", "dns"},
    {"secret_sources"},
    {"audit", "audit_reading", "upstream", "certs"},
    {"pipeline"},
    {"streams"},
    {"matching", "protocols"},
    {"config"},
    {"messages", "go_compat", "linux", "temporary_folder"},
    {"errors", "version"},
)
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}

PURE = ("messages/", "go_compat/", "matching/", "protocols/", "pipeline/")
PURE_FILES = ("dns/answers.py", "dns/messages.py", "upstream/deny_list.py")
IO_MODULES = {
    "asyncio", "concurrent", "http.client", "httpx", "multiprocessing", "os", "select", "selectors", "signal", "socket",
    "socketserver", "ssl", "subprocess", "tempfile", "threading", "urllib.request", "uvloop",
}  # fmt: skip
OPTIONAL_SDKS = {
    "boto3", "botocore", "google", "grpc", "hvac", "onepassword", "onepasswordconnectsdk", "opentelemetry", "pglast",
    "requests",
}  # fmt: skip

# What a module may be called with and the one or two files that may call it. `demo/` stands for a workload and its
# origin, so it opens connections as they do.
OUTGOING = {"connect", "connect_ex", "create_connection", "getaddrinfo", "open_connection", "open_unix_connection",
            "sock_connect"}  # fmt: skip


def is_outgoing(name: str) -> bool:
    # The pool's `connect` is the dialer's customer, not a socket's method.
    return name.rpartition(".")[2] in OUTGOING and not name.endswith("pool.connect")


def is_exit_or_print(name: str) -> bool:
    return name in ("print", "exit", "quit", "sys.exit", "os._exit", "SystemExit") or name.startswith(
        ("sys.stdout.", "sys.stderr.")
    )


CALL_RULES: list[tuple[str, Callable[[str], bool], tuple[str, ...]]] = [
    (
        # The measured pool calls the pool that it is. The doctor asks the listeners of this machine's own proxy.
        # Questions of passthrough names go to the name servers of the configuration, not to where a workload wants.
        # The selftest is a hostile workload.
        "connections to the outside are opened by the dialer",
        is_outgoing,
        (
            "upstream/dialer.py",
            "upstream/measured_pool.py",
            "dns/upstream_query.py",
            "demo/",
            "doctor/checks.py",
            "selftest/wire.py",
        ),
    ),
    (
        "a Permit is made by the pipeline",
        lambda name: name.rpartition(".")[2] == "Permit",
        ("pipeline/pipeline.py",),
    ),
    (
        # `client_identity.py` compares a client's password with what the client says it is; `examination.py` tells
        # people what is odd about a value.
        "a secret is revealed where it is used",
        lambda name: name.endswith(".reveal"),
        (
            "transforms/secrets/replace.py",
            "transforms/secrets/inject.py",
            "transforms/secrets/redact.py",
            "transforms/secrets/message_swaps.py",
            "transforms/secrets/examination.py",
            "secret_sources/json_key.py",
            "proxy/client_identity.py",
        ),
    ),
    (
        # The program inside a jail is one of its own: three processes; none may return into what it was forked from.
        "only the command line prints and exits",
        is_exit_or_print,
        ("cli/", "jail/inside.py", "jail/first_process.py", "jail/execute.py"),
    ),
    (
        "TLS contexts have two factories",
        lambda name: name.rpartition(".")[2] in ("SSLContext", "create_default_context"),
        ("certs/server_contexts.py", "upstream/trust.py", "demo/", "selftest/wire.py"),
    ),
    (
        # The request's one record, and a passed-through connection's; openings that never came to one; connections that
        # broke the rules; DNS questions; what a jail refused; workers that died.
        "audit records are emitted in few places",
        lambda name: name.endswith(".emit"),
        (
            "proxy/request_life.py",
            "proxy/sni_passthrough.py",
            "proxy/http2_connection.py",
            "listeners/https.py",
            "listeners/transparent.py",
            "listeners/tunnel.py",
            "runtime/dns_part.py",
            "runtime/reload.py",
            "session/jailed.py",
            "workers/fleet.py",
        ),
    ),
    (
        # A value is refreshed in the background, when the request that saw it expire has long ended.
        "tasks have parents",
        lambda name: name.endswith("loop.create_task") or name in ("asyncio.create_task", "asyncio.ensure_future"),
        ("secret_sources/expiring_value.py",),
    ),
    ("nothing is evaluated", lambda name: name in ("eval", "exec", "pickle.loads", "pickle.load"), ()),
]


@pytest.mark.parametrize("path", source_files())
def test_a_module_imports_only_from_layers_below_its_own(path: str) -> None:
    folder = folder_of(path)
    if not folder:
        return

    wrong = []
    for line, module in imported_modules(tree_of(path)):
        other = module.split(".")[1] if module.startswith("iron_proxy.") else folder
        if other != folder and LEVEL[other] <= LEVEL[folder]:
            wrong.append(f"{path}:{line} imports {module}")

    assert wrong == []


@pytest.mark.parametrize("path", [path for path in source_files() if path.startswith(PURE) or path in PURE_FILES])
def test_a_module_of_a_pure_folder_imports_nothing_that_does_io(path: str) -> None:
    imported = imported_modules(tree_of(path))

    wrong = [f"{path}:{line} imports {module}" for line, module in imported if is_one_of(module, IO_MODULES)]

    assert wrong == []


@pytest.mark.parametrize(("rule", "concerns", "allowed"), CALL_RULES, ids=[rule for rule, _, _ in CALL_RULES])
def test_a_call_stands_only_where_it_may(rule: str, concerns: Callable[[str], bool], allowed: tuple[str, ...]) -> None:
    found = [
        f"{path}:{call.lineno} {name}"
        for path in source_files()
        if not path.startswith(allowed or ("-",))
        for call, name in calls(tree_of(path))
        if concerns(name)
    ]

    assert found == [], rule


@pytest.mark.parametrize(
    ("rule", "concerns", "place"),
    [(rule, concerns, place) for rule, concerns, allowed in CALL_RULES for place in allowed if place.endswith(".py")],
    ids=[f"{rule}: {place}" for rule, _, allowed in CALL_RULES for place in allowed if place.endswith(".py")],
)
def test_a_place_that_may_call_still_does(rule: str, concerns: Callable[[str], bool], place: str) -> None:
    names = [name for _, name in calls(tree_of(place))]

    assert any(map(concerns, names)), f"{place} needs no exception any more ({rule})"


def test_names_are_looked_up_by_the_resolver_alone() -> None:
    asking = ("dns.asyncquery", "dns.asyncresolver", "dns.query", "dns.resolver")

    users = {
        path for path in source_files() for _, module in imported_modules(tree_of(path)) if is_one_of(module, asking)
    }

    assert users <= {"upstream/resolver.py", "upstream/name_files.py"}


def test_optional_sdks_are_imported_inside_functions() -> None:
    wrong = [
        f"{path}:{line} imports {module}"
        for path in source_files()
        for line, module in imports_at_load(tree_of(path))
        if is_one_of(module, OPTIONAL_SDKS)
    ]

    assert wrong == []


def test_what_is_declared_as_a_dependency_and_what_is_imported_are_the_same() -> None:
    modules = {
        "backports.zstd": "backports", "dnspython": "dns", "google-re2": "re2", "grpcio": "grpc",
        "opentelemetry-exporter-otlp-proto-grpc": "opentelemetry",
        "opentelemetry-exporter-otlp-proto-http": "opentelemetry", "opentelemetry-sdk": "opentelemetry",
        "prometheus-client": "prometheus_client", "ruamel.yaml": "ruamel",
    }  # fmt: skip
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for texts in project.get("optional-dependencies", {}).values() for text in texts]
    names = [re.split(r"[><=;\[ ]", text)[0] for text in [*project["dependencies"], *extras]]
    declared = {modules.get(name, name) for name in names}

    imported = {module.split(".")[0] for path in source_files() for _, module in imported_modules(tree_of(path))}

    # `compression` belongs to the standard library from 3.14 on.
    assert imported - sys.stdlib_module_names - {"compression", "iron_proxy"} == declared


def test_the_proxy_does_not_know_the_transforms() -> None:
    # `inspection` looks at the configuration of allowlists and secrets, `learning` asks allowlists; they serve nothing.
    may_know = ("transforms", "inspection", "learning", "runtime", "session", "cli")
    users = [
        path
        for path in source_files()
        for _, module in imported_modules(tree_of(path))
        if module.startswith("iron_proxy.transforms") and folder_of(path) not in may_know
    ]

    assert users == []


def folder_of(path: str) -> str:
    """The folder of a module, or its own name at the top; "" for the package itself."""
    return path.split("/")[0].removesuffix(".py").replace("__init__", "")


def is_one_of(module: str, roots: set[str] | tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)
