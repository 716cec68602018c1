"""A soak as JSON, for programs, and as Markdown, for people."""

import json
import platform
from pathlib import Path
from typing import Any

from tests.soak.counted_proxy import CountedProxy
from tests.soak.sampling import Sampler, growths
from tests.soak.traffic import Traffic


def as_json(sampler: Sampler, traffic: list[Traffic], proxy: CountedProxy, cpu: float) -> dict[str, Any]:
    """Everything that was seen."""
    return {
        "machine": {"system": platform.platform(), "python": platform.python_version()},
        "seconds": round(sampler.samples[-1].seconds, 1),
        "requests": sum(each.requests for each in traffic),
        "records": dict(proxy.actions),
        "bytes_a_record": round(proxy.record_bytes / max(1, proxy.recorded)),
        "cpu_seconds": cpu,
        "kinds": {
            each.kind.name: {
                "rounds": each.rounds,
                "requests": each.requests,
                "p50_ms": round(_percentile(sampler.seconds[each.kind.name], 0.5) * 1000, 2),
                "p99_ms": round(_percentile(sampler.seconds[each.kind.name], 0.99) * 1000, 2),
                "failures": each.failures,
            }
            for each in traffic
        },
        "series": {
            name: {
                "level": round(found.level, 2),
                "growth": round(found.expected, 3),
                "allowed": round(max(allowed.growth, allowed.share * found.level), 2),
                "unit": allowed.unit,
                "is_judged": is_judged,
                "is_within": found.is_within(allowed.growth, allowed.share),
            }
            for name, (found, allowed, is_judged) in growths(sampler.samples).items()
        },
        "samples": [each._asdict() for each in sampler.samples],
    }


def as_markdown(report: dict[str, Any]) -> str:
    """The same without the samples."""
    lines = [
        f"# Soak of {report['seconds']:,.0f} s",
        "",
        f"{report['requests']:,} requests, {report['bytes_a_record']} bytes an audit record, "
        f"{report['cpu_seconds']:.1f} s of CPU; {report['machine']['system']}, Python {report['machine']['python']}.",
        "",
        "| series | level | growth after the warm-up | allowed | verdict |",
        "|---|---:|---:|---:|---|",
    ]
    for name, each in report["series"].items():
        verdict = ("steady" if each["is_within"] else "GROWS") if each["is_judged"] else "not judged"
        unit = f" {each['unit']}".rstrip()
        figures = " | ".join(f"{each[key]}{unit}" for key in ("level", "growth", "allowed"))
        lines.append(f"| {name} | {figures} | {verdict} |")
    lines += ["", "| kind | rounds | requests | p50 ms | p99 ms | failures |", "|---|---:|---:|---:|---:|---:|"]
    for name, each in report["kinds"].items():
        figures = f"{each['rounds']:,} | {each['requests']:,} | {each['p50_ms']} | {each['p99_ms']}"
        lines.append(f"| {name} | {figures} | {len(each['failures'])} |")
    return "\n".join([*lines, ""])


def save(report: dict[str, Any], prefix: str) -> None:
    """Write `prefix.json` and `prefix.md`."""
    Path(f"{prefix}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    Path(f"{prefix}.md").write_text(as_markdown(report), encoding="utf-8")


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
