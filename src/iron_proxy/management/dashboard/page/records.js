// What a record of the audit log says, in the few fields that lists need; the rest stays text until it is looked at.

let numbers = 0;

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : null);

/** One row. Throws SyntaxError for what is not JSON, TypeError for what is no record. */
export function rowOf(raw) {
  const record = JSON.parse(raw);
  if (typeof record !== "object" || record === null || Array.isArray(record)) throw new TypeError("not a record");
  const isEvent = record.msg === "event";
  return {
    number: ++numbers,
    raw,
    isEvent,
    isOpening: record.phase === "open",     // of what leaves two records
    time: text(record.time),
    host: text(record.host),
    method: isEvent ? text(record.event) : text(record.method),
    path: isEvent ? text(record.reason) : text(record.path),
    action: text(record.action),
    status: number(record.status_code),
    duration: number(record.duration_ms),
    client: text(record.client),
    address: text(record.remote_addr),
    rejectedBy: text(record.rejected_by),
    reason: text(record.reason) || text(record.error),
    code: text(record.code),
    secrets: usedSecrets(record),
  };
}

/** Names of the secrets that a request was given; null for none, which most have. */
function usedSecrets(record) {
  let names = null;
  if (!Array.isArray(record.request_transforms)) return names;
  for (const trace of record.request_transforms) {
    const annotations = trace?.annotations;
    if (!annotations) continue;
    for (const uses of [annotations.swapped, annotations.injected]) {
      if (Array.isArray(uses)) for (const use of uses) (names ??= []).push(text(use?.secret));
    }
  }
  return names;
}

/** The record in full, from the text that came. */
export const recordOf = (row) => JSON.parse(row.raw);

/** A predicate over rows from what the tools say; null lets everything through. */
export function filterOf({ search, host, action, client }) {
  const checks = [];
  const lower = (value) => value.trim().toLowerCase();
  if (lower(host)) checks.push((row) => row.host.toLowerCase().includes(lower(host)));
  if (action === "event") checks.push((row) => row.isEvent);
  else if (action) checks.push((row) => row.action === action && !row.isEvent);
  if (lower(client)) checks.push((row) => row.client.toLowerCase().includes(lower(client)) || row.address.startsWith(client.trim()));
  if (lower(search)) checks.push((row) => row.raw.toLowerCase().includes(lower(search)));
  return checks.length ? (row) => checks.every((check) => check(row)) : null;
}
