// Policy and secrets as the management API tells them: the process, the allowlist, names of secrets, the configuration.

import { cells, element, facts } from "./elements.js";
import { askJson } from "./session.js";

/** A time that has passed, in its largest unit; nothing for what is no time. */
export const ago = (seconds) => {
  if (!Number.isFinite(seconds)) return "";
  const units = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = units.find(([each]) => seconds >= each) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
};

export async function drawPolicy(totals) {
  const [status, config] = await Promise.all([askJson("status"), askJson("config")]);
  drawProcess(status);
  drawSecrets(status, totals);
  const rules = transformsOf(config).filter(({ name }) => name === "allowlist").flatMap(({ config: each }) => rulesOf(each));
  document.getElementById("rules").replaceChildren(...rules.map((rule) => element("li", {}, element("code", {}, rule))));
  document.getElementById("configuration").textContent = JSON.stringify(config, null, 2);
}

function drawProcess(status) {
  const audit = status.audit ?? {};
  facts(document.getElementById("process"), [
    ["version", status.version],
    ["running for", ago(status.uptime_seconds)],
    ["configuration", status.config],
    ["policy generation", status.generation],
    ["last reload", status.last_reload ? `${status.last_reload.time} ${status.last_reload.status} (${status.last_reload.by})` : "none"],
    ["transforms", (status.transforms ?? []).join(", ")],
    ["TLS", status.tls_mode],
    ["listeners", Object.entries(status.listeners ?? {}).map(([name, address]) => `${name} ${address}`).join(", ")],
    ["connections", status.connections],
    ["audit records", audit.emitted],
    ["audit records lost", audit.lost],
    ["audit mode", audit.is_strict ? "strict" : "relaxed"],
  ]);
}

const transformsOf = (config) => (Array.isArray(config.transforms) ? config.transforms : []);

/** Every line of an allowlist, in the words of the file. */
function rulesOf(config) {
  const list = (value) => (Array.isArray(value) ? value : []);
  const rules = [...list(config?.domains), ...list(config?.cidrs), ...list(config?.rules)];
  return rules.map((rule) => (typeof rule === "string" ? rule : JSON.stringify(rule)));
}

/** The secrets in force, and what uses of them this page has seen. Sources that are read at the start have no age. */
function drawSecrets(status, totals) {
  const rows = (status.secrets ?? []).map((secret) => {
    const use = totals.secrets.get(secret.name);
    return element("tr", {}, ...cells(
      secret.name, secret.source, secret.age_seconds === null ? "–" : `${ago(secret.age_seconds)} ago`,
      use?.count ?? 0, use ? `${ago((Date.now() - use.last) / 1000)} ago` : "",
    ));
  });
  document.getElementById("secret-rows").replaceChildren(...rows);
}
