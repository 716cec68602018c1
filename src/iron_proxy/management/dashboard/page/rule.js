// The rule that would allow a denied request, and nothing wider: the same that a denial's own answer suggests.

// A rule is for reading and copying; longer paths are made by programs.
const MAX_PATH = 512;
// What one rule more would change: the codes of `proxy/denials.py` with which a denial's own answer has a rule.
const HINTED = new Set([
  "host_not_allowed", "port_not_allowed", "scheme_not_allowed", "method_or_path_not_allowed", "client_not_allowed",
]);
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|\ufffd/u;

/** One element of `rules:` in YAML's flow style, or "" where no rule would help, or none can be written without doubt. */
export function ruleFor(row) {
  if (!isForAllowlist(row)) return "";
  const { host, port } = split(row.host);
  if (!host || row.method === "*") return "";
  const parts = [["host", JSON.stringify(host)]];
  if (row.method && row.method !== "CONNECT") parts.push(["methods", `[${JSON.stringify(row.method)}]`]);
  if (row.path) {
    if ([...row.path].length > MAX_PATH || UNPRINTABLE.test(row.path) || !row.path.startsWith("/")) return "";
    parts.push(["paths", `[${JSON.stringify(row.path.replace(/[*?[\\]/g, "\\$&"))}]`]);
  }
  // Records leave out the scheme's own port, but for tunnels, which have none.
  if (port !== null && !(row.method === "CONNECT" && port === 443)) parts.push(["ports", `[${port}]`]);
  if (row.client) parts.push(["clients", `[${JSON.stringify(row.client)}]`]);
  return `- {${parts.map(([name, value]) => `"${name}": ${value}`).join(", ")}}`;
}

/** By the record's `code`: its `reason` is a sentence, and for people. */
function isForAllowlist(row) {
  if (row.action !== "reject" || row.isEvent || !HINTED.has(row.code)) return false;
  // A rule for a client that has no name would be one for all.
  return row.client !== "" || row.code !== "client_not_allowed";
}

/** `host`, `host:port`, `[v6]:port` and a bare v6 address. */
export function split(text) {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  if (!found) return { host: text, port: null };
  return { host: found[1] ?? found[2], port: found[3] === undefined ? null : Number(found[3]) };
}
