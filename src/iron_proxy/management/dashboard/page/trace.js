// One record in full: what happened, what each transform said, and the record itself.

import { copy, element, facts } from "./elements.js";
import { recordOf } from "./records.js";
import { ruleFor } from "./rule.js";

const SHOWN = [
  "time", "level", "event", "phase", "action", "status_code", "reason", "code", "rejected_by", "stubbed_by", "error", "rule",
  "client", "remote_addr", "original_destination", "sni", "mode", "duration_ms", "bytes_from_client",
  "bytes_from_upstream", "generation", "request_id",
];
const inWords = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));

export function showTrace(row, close) {
  const box = document.getElementById("trace");
  const record = recordOf(row);
  const title = row.isEvent ? `${row.method} ${row.host}` : `${row.method} ${row.host}${row.path}`;
  const button = element("button", { type: "button", "aria-label": "Close the record", "aria-keyshortcuts": "Escape" }, "×");
  button.addEventListener("click", close);
  box.replaceChildren(
    element("div", { class: "title" }, element("h2", { tabindex: "-1" }, title.trim() || "record"), button),
    facts(element("dl", { class: "facts" }), SHOWN.filter((name) => name in record).map((name) => [name, inWords(record[name])])),
    ...ruleBlock(row),
    ...traceBlock("Tunnel opening", record.tunnel?.request_transforms),
    ...traceBlock("Request", record.request_transforms),
    ...traceBlock("Response", record.response_transforms),
    element("h2", {}, "Record"),
    element("pre", { tabindex: "0", "aria-label": "The record as JSON" }, JSON.stringify(record, null, 2)),
  );
  box.hidden = false;
  box.scrollTop = 0;
}

function ruleBlock(row) {
  const rule = ruleFor(row);
  return rule ? [element("h2", {}, "Rule that would allow it"), element("code", {}, rule), " ", copyButton(rule)] : [];
}

export function copyButton(rule) {
  const button = element("button", { type: "button", "aria-label": `Copy the rule ${rule}` }, "Copy");
  button.addEventListener("click", () => copy(rule));
  return button;
}

function traceBlock(title, traces) {
  if (!Array.isArray(traces) || !traces.length) return [];
  return [element("h2", {}, title), element("ol", {}, ...traces.map(traceItem))];
}

function traceItem(trace) {
  const action = String(trace?.action ?? "");
  const item = element("li", {}, element("strong", {}, trace?.name ?? ""), " ", element("span", { class: action }, action));
  if (Number.isFinite(trace?.duration_ms)) item.append(` ${trace.duration_ms} ms`);
  if (trace?.error) item.append(element("div", { class: "error" }, trace.error));
  const notes = Object.entries(trace?.annotations ?? {});
  if (notes.length) item.append(facts(element("dl", { class: "facts" }), notes.map(([name, value]) => [name, inWords(value)])));
  return item;
}
