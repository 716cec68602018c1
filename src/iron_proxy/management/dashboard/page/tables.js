// The tables of hosts and of denials, drawn anew at most once a second and only while they are in sight.

import { cells, element } from "./elements.js";
import { copyButton } from "./trace.js";
import { BUCKETS, history } from "./totals.js";

const MAX_SHOWN = 100;
const SVG = "http://www.w3.org/2000/svg";

export function drawHosts(totals) {
  const hosts = [...totals.hosts.values()].sort((one, other) => other.total - one.total);
  document.getElementById("host-rows").replaceChildren(...hosts.slice(0, MAX_SHOWN).map(hostRow));
  const notes = [];
  if (hosts.length > MAX_SHOWN) notes.push(`${hosts.length - MAX_SHOWN} more hosts are not shown.`);
  if (totals.hosts.forgotten) notes.push(`${totals.hosts.forgotten} hosts have been forgotten for newer ones.`);
  if (!hosts.length) notes.push("No request yet.");
  document.getElementById("hosts-note").textContent = notes.join(" ");
}

function hostRow(host) {
  const row = element("tr", {}, ...cells(host.host, host.total, host.allowed, host.denied, host.failed, (host.milliseconds / host.total).toFixed(1)));
  row.append(element("td", {}, sparkline(history(host))));
  return row;
}

function sparkline(counts) {
  const most = Math.max(...counts, 1);
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("class", "spark");
  drawing.setAttribute("viewBox", `0 0 ${BUCKETS - 1} 22`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `at most ${most} in five seconds, ${counts.at(-1)} in the last`);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", counts.map((count, index) => `${index},${(21 - (count / most) * 20).toFixed(1)}`).join(" "));
  drawing.append(line);
  return drawing;
}

// Rows are kept as long as they are shown, so that the focus on a button is.
const deniedRows = new Map();

export function drawDenied(totals) {
  const denied = [...totals.denied.entries()].reverse().slice(0, MAX_SHOWN);
  const body = document.getElementById("denied-rows");
  const shown = new Set(denied.map(([key]) => key));
  for (const [key, row] of deniedRows) {
    if (!shown.has(key)) { row.remove(); deniedRows.delete(key); }
  }
  denied.forEach(([key, each], place) => {
    const row = deniedRows.get(key) ?? deniedRow(each);
    deniedRows.set(key, row);
    row.children[3].textContent = String(each.count);
    // Whoever has the focus stays in the document; the others move around it.
    if (body.children[place] !== row && !row.contains(document.activeElement)) body.insertBefore(row, body.children[place] ?? null);
  });
}

function deniedRow(denied) {
  const row = element("tr", {}, ...cells(denied.host, denied.request, denied.client, denied.count, denied.reason));
  row.append(denied.rule
    ? element("td", {}, element("code", {}, denied.rule), copyButton(denied.rule))
    : element("td", { class: "note" }, "no rule of an allowlist would"));
  return row;
}
