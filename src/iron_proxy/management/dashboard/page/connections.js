// Connections of clients as the management API tells them, asked again and again while they are in sight.

import { cells, element } from "./elements.js";
import { ago } from "./policy.js";
import { askJson } from "./session.js";

// Milliseconds between an answer and the next question.
const PAUSE = 2000;
// A person reads no more; the oldest come first.
const MAX_SHOWN = 200;
const UNITS = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];

export class Connections {
  #timer;
  #turn = 0;

  /** `failed(error)` is told when there was no answer, `failed(null)` when there is one again. */
  constructor(failed) { this.failed = failed; }

  start() {
    this.stop();
    this.#ask(this.#turn);
  }

  stop() {
    this.#turn++;                          // what is still on its way is not drawn any more
    clearTimeout(this.#timer);
  }

  async #ask(turn) {
    try {
      const told = document.hidden ? null : await askJson("connections");
      if (turn !== this.#turn) return;
      if (told !== null) drawConnections(told);
      this.failed(null);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.failed(error);
    }
    this.#timer = setTimeout(() => this.#ask(turn), PAUSE);
  }
}

/** Rows stay where they are and change their texts: a selection in them outlives an answer. */
export function drawConnections({ total, connections }) {
  const body = document.getElementById("connection-rows");
  const shown = connections.slice(0, MAX_SHOWN);
  while (body.children.length > shown.length) body.lastChild.remove();
  shown.forEach((connection, place) => {
    const row = body.children[place] ?? body.appendChild(element("tr", {}, ...cells("", "", "", "", "", "", "")));
    textsOf(connection).forEach((text, column) => {
      if (row.children[column].textContent !== text) row.children[column].textContent = text;
    });
  });
  const rest = total - shown.length;
  document.getElementById("connections-note").textContent = !total ? "No connection." : rest > 0 ? `${rest} younger ones are not shown.` : "";
}

function textsOf(connection) {
  return [
    ago(connection.age_seconds),
    [connection.client, connection.remote_addr].filter(Boolean).join(" "),
    connection.kind + (connection.is_tunnel ? ", in a tunnel" : ""),
    connection.target,
    size(connection.bytes_from_client),
    size(connection.bytes_to_client),
    connection.requests.map((each) => `${each.method} ${each.host} (${ago(each.age_seconds)})`).join("\n"),
  ];
}

/** Bytes, as people say them; nothing where the kernel does not tell. */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  const [unit, name] = UNITS.find(([each]) => bytes >= each) ?? [1, "B"];
  return `${unit === 1 ? bytes : (bytes / unit).toFixed(1)} ${name}`;
}
