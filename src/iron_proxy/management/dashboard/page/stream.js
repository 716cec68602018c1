// The audit stream: server-sent events read with fetch, for EventSource cannot send the key. Connects again by itself.

import { ask, Refused } from "./session.js";

// Longest line that is waited for: a record is a few kilobytes, and what never ends must not fill memory.
const MAX_EVENT = 4 << 20;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
// Codes after which another try with the same key cannot help.
const FINAL = new Set([401, 403, 404]);

/** Text in pieces to events, as the HTML standard reads an event stream; line ends are LF or CR LF. */
export class EventReader {
  #rest = "";
  #name = "";
  #data = [];
  #size = 0;

  constructor(deliver) {
    this.deliver = deliver;
  }

  take(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    if (this.#rest.length > MAX_EVENT) throw new TypeError("an event is too long");
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) this.deliver(this.#name, this.#data.join("\n"));
      this.#name = "";
      this.#data = [];
      this.#size = 0;
    } else if (line.startsWith("data:")) {
      this.#size += line.length;
      if (this.#size > MAX_EVENT) throw new TypeError("an event is too long");
      this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    } else if (line.startsWith("event:")) {
      this.#name = line.slice(6).trim();
    }
  }
}

/** Follows the stream until `stop`. Calls `deliver(name, data)`, `changed(state, sentence)`, and `refused(error)` at most once. */
export class Follower {
  #stopped = new AbortController();

  constructor({ deliver, changed, refused }) {
    this.deliver = deliver;
    this.changed = changed;
    this.refused = refused;
  }

  stop() {
    this.#stopped.abort();
  }

  async run() {
    let wait = FIRST_WAIT;
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#once(() => { wait = FIRST_WAIT; });
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        if (error instanceof Refused && FINAL.has(error.status)) return this.refused(error);
      }
      if (this.#stopped.signal.aborted) return;
      this.changed("waiting", `connection lost, trying again`);
      // Many pages that lost one proxy do not come back in the same moment.
      await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  }

  async #once(connected) {
    const answer = await ask("audit/stream", {
      headers: { Accept: "text/event-stream" }, signal: this.#stopped.signal,
    });
    connected();
    this.changed("live", "live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventReader(this.deliver);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        events.take(value);
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}
