// The rule that would allow a denied request, and nothing wider: the same that a denial's own answer suggests.

// A rule is for reading and copying; longer paths are made by programs.
const MAX_PATH = 512;
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

function isForAllowlist(row) {
  if (row.action !== "reject" || row.isEvent || !row.reason.match(/^(no rule matches|a rule matches)/)) return false;
  if (/path is ambiguous/.test(row.reason)) return false;
  // A rule for a client that has no name would be one for all.
  return row.client !== "" || !/not the client/.test(row.reason);
}

/** `host`, `host:port`, `[v6]:port` and a bare v6 address. */
export function split(text) {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  if (!found) return { host: text, port: null };
  return { host: found[1] ?? found[2], port: found[3] === undefined ? null : Number(found[3]) };
}
