"""What exists has a place in the reference, and what the pages show works."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.docs.configured_keys import keys_read_by
from tests.docs.pages import REFERENCE, ROOT, anchors, fenced_blocks, links, markdown_files, mentions, text_of
from tests.structure.source_tree import PACKAGE

from iron_proxy.audit.emitter import Condition
from iron_proxy.audit.envelopes import seed_envelope, v046_envelope
from iron_proxy.audit.otlp_queue import ExportCondition
from iron_proxy.audit.otlp_settings import VARIABLES
from iron_proxy.audit.record import EventRecord, RequestRecord
from iron_proxy.config import environment, reading
from iron_proxy.config.loading import examine_config
from iron_proxy.management.metrics_page import MetricsPage, WorkerStates
from iron_proxy.management.readings import Readings
from iron_proxy.management.request_metrics import NOTES, RequestMetrics
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.secret_sources.registry import BUILDERS, LATER_TYPES
from iron_proxy.transforms.registry import BUILT_IN, NOT_YET

# Where each transform reads its configuration. Rules have a page of their own.
TRANSFORM_SOURCES = {
    name: ("transforms/secrets", "secret_sources")
    if name == "secrets"
    else (reference.partition(":")[0].removeprefix("iron_proxy.").replace(".", "/") + ".py",)
    for name, reference in BUILT_IN.items()
}
WHOLE_CONFIGURATION = "# proxy.yaml\n"
CONFIGURATIONS = [
    pytest.param(block, id=f"{page}:{number}")
    for page in markdown_files()
    for number, block in enumerate(fenced_blocks(text_of(page), "yaml"))
    if block.startswith(WHOLE_CONFIGURATION)
]
FRAGMENTS = [
    pytest.param(block, id=f"{page}:{number}")
    for page in markdown_files()
    for number, block in enumerate(fenced_blocks(text_of(page), "yaml"))
    if block.startswith("transforms:\n")
]


def reference(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def flags_of_all_commands() -> set[str]:
    """The flags of every module in `cli/` that has some."""
    modules = [import_module(f"iron_proxy.cli.{path.stem}") for path in (PACKAGE / "cli").glob("[a-z]*.py")]
    return {flag.name for module in modules if hasattr(module, "FLAGS") for flag in module.FLAGS.flags}


@pytest.mark.parametrize("key", sorted(keys_read_by("config")))
def test_every_key_of_the_file_is_on_the_configuration_page(key: str) -> None:
    assert mentions(reference("configuration.md"), key)


def test_the_search_for_keys_finds_them() -> None:
    keys = keys_read_by("config")

    assert {"proxy_ip", "http_listen", "max_request_body_bytes", "unknown_keys", "audit_schema"} <= keys
    assert {"https_proxy", "upgrades", "passthrough", "system_roots", "client_key", "username", "password"} <= keys
    assert set(reading.NOT_AVAILABLE) <= keys


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_transform_has_a_page_with_each_of_its_keys(name: str) -> None:
    page = reference(f"transforms/{name}.md")

    missing = [key for key in sorted(keys_read_by(*TRANSFORM_SOURCES[name])) if not mentions(page, key)]

    assert missing == []


@pytest.mark.parametrize("key", sorted(keys_read_by("matching/rule.py")))
def test_every_key_of_a_rule_is_on_the_rules_page(key: str) -> None:
    assert mentions(reference("rules.md"), key)


@pytest.mark.parametrize("kind", sorted({*BUILDERS, *LATER_TYPES}))
def test_every_type_of_source_is_on_the_secrets_page(kind: str) -> None:
    assert mentions(reference("transforms/secrets.md"), kind)


@pytest.mark.parametrize("name", sorted({*BUILT_IN, *NOT_YET}))
def test_every_transform_is_on_the_configuration_page(name: str) -> None:
    assert mentions(reference("configuration.md"), name)


@pytest.mark.parametrize(
    "field", sorted({field.name for kind in (RequestRecord, EventRecord) for field in structs.fields(kind)})
)
def test_every_field_of_a_record_is_on_the_audit_page(field: str) -> None:
    assert mentions(reference("audit-log.md"), field)


@pytest.mark.parametrize("flag", sorted(flags_of_all_commands()))
def test_every_flag_is_on_the_command_line_page(flag: str) -> None:
    assert mentions(reference("command-line.md"), f"-{flag}")


@pytest.mark.parametrize(
    "variable", sorted({*(override.variable for override in environment.OVERRIDES), *environment.NOT_AVAILABLE})
)
def test_every_variable_is_on_the_environment_page(variable: str) -> None:
    assert mentions(reference("environment.md"), variable)


@pytest.mark.parametrize("page", markdown_files())
def test_every_relative_link_leads_somewhere(page: str) -> None:
    broken = []
    for link in links(text_of(page)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("block", CONFIGURATIONS)
def test_a_whole_configuration_in_a_page_loads(block: str, tmp_path: Path) -> None:
    assert problems_of(block, tmp_path) == []


@pytest.mark.parametrize("block", FRAGMENTS)
def test_a_list_of_transforms_in_a_page_loads(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "python_transforms"))

    assert problems_of(f"dns: {{enabled: false}}\nproxy: {{https_listen: off}}\n{block}", tmp_path) == []


@pytest.mark.parametrize(
    ("number", "envelope"),
    [(0, seed_envelope), (1, seed_envelope), (3, v046_envelope)],
    ids=["seed", "seed, passed through", "v0.46"],
)
def test_the_records_that_the_audit_page_shows_have_the_keys_that_are_written(number: int, envelope: Any) -> None:
    shown = json.loads(fenced_blocks(reference("audit-log.md"), "json")[number])
    flat = {key: value for key, value in shown.items() if key != "audit"} | shown.get("audit", {})
    record = RequestRecord(**({"response_transforms": []} | flat))

    assert list(json.loads(envelope(record))) == list(shown)


@pytest.mark.parametrize("envelope", [seed_envelope, v046_envelope], ids=["seed", "v0.46"])
def test_the_event_that_the_audit_page_shows_has_the_keys_that_are_written(envelope: Any) -> None:
    shown = json.loads(fenced_blocks(reference("audit-log.md"), "json")[2])

    assert list(json.loads(envelope(EventRecord(**shown)))) == list(shown)


def test_every_configuration_key_has_a_line_in_the_example_file() -> None:
    example = (ROOT / "examples" / "iron-proxy.example.yaml").read_text(encoding="utf-8")
    missing = [key for key in sorted(keys_read_by("config") - {*reading.NOT_AVAILABLE}) if f"{key}:" not in example]

    assert missing == []


def problems_of(text: str, folder: Path) -> list[str]:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    config, problems = examine_config(str(file), {})
    build_pipeline(config, {})
    return problems.errors + problems.warnings


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_of_the_export_is_on_the_environment_page(variable: str) -> None:
    assert mentions(reference("environment.md"), variable)


def test_the_metrics_on_the_page_are_those_that_there_are() -> None:
    exports = {"logs": ExportCondition(0, 0, 0, 0)}
    readings = Readings(1, 0, 0, 0, 0, 0, 0, {}, (), Condition(0, 0, 0, 0, False), exports)
    families = MetricsPage(RequestMetrics(), lambda: readings, workers=WorkerStates(1, 0)).collect()
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}

    assert set(re.findall(r"^\| `(iron_proxy_\w+)` \|", reference("metrics.md"), re.MULTILINE)) == names


@pytest.mark.parametrize("note", NOTES)
def test_every_note_that_is_counted_is_on_the_metrics_page(note: str) -> None:
    assert mentions(reference("metrics.md"), note)
