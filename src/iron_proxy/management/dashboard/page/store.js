// What came and has not been looked at yet, and the rows that are kept: both bounded, in number and in size.

import { rowOf } from "./records.js";

// Some four seconds of the fastest proxy; beyond that a person has lost the thread anyway.
export const MAX_ROWS = 20_000;
// Characters of record text, two bytes each at worst.
export const MAX_SIZE = 24 << 20;
// Milliseconds of one frame that reading records may take; the rest of 16 is for drawing and for keys.
const BUDGET = 6;

/** First in, first out, without moving what is left. When it is full the oldest go. */
export class Bounded {
  #items = [];
  #first = 0;
  #size = 0;

  constructor(sizeOf) {
    this.sizeOf = sizeOf;
  }

  get length() { return this.#items.length - this.#first; }

  at(index) { return this.#items[this.#first + index]; }

  /** Add one; returns how many had to go. */
  push(item) {
    this.#items.push(item);
    this.#size += this.sizeOf(item);
    let gone = 0;
    while (this.length > MAX_ROWS || (this.#size > MAX_SIZE && this.length > 1)) {
      this.shift();
      gone++;
    }
    return gone;
  }

  shift() {
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    this.#size -= this.sizeOf(item);
    if (this.#first > 4096 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  clear() {
    this.#items = [];
    this.#first = 0;
    this.#size = 0;
  }
}

export class Store {
  rows = new Bounded((row) => row.raw.length);
  shown = new Bounded(() => 0);          // the rows that fit the filter, oldest first
  dropped = 0;
  received = 0;
  isPaused = false;
  #waiting = new Bounded((raw) => raw.length);
  #filter = null;
  #listeners = [];

  /** `listener(row)` is told of every row once. */
  onRow(listener) { this.#listeners.push(listener); }

  get waiting() { return this.#waiting.length; }

  /** What the stream delivers. */
  receive(name, data) {
    if (name === "dropped") return this.#countDropped(data);
    if (name !== "") return;              // of a later version
    this.received++;
    this.dropped += this.#waiting.push(data);
  }

  #countDropped(data) {
    let count;
    try { count = JSON.parse(data)?.count; } catch { return; }
    if (Number.isSafeInteger(count) && count > 0) this.dropped += count;
  }

  /** Read what waits, as far as a frame has time for it; returns how many rows were added to `shown`. */
  drain(budget = BUDGET) {
    if (this.isPaused) return 0;
    const end = performance.now() + budget;
    let added = 0;
    while (this.#waiting.length && performance.now() < end) {
      for (let count = Math.min(32, this.#waiting.length); count; count--) added += this.#take(this.#waiting.shift());
    }
    return added;
  }

  #take(raw) {
    let row;
    try {
      row = rowOf(raw);
    } catch {
      this.dropped++;
      return 0;
    }
    this.rows.push(row);
    for (const listener of this.#listeners) listener(row);
    const fits = this.#filter === null || this.#filter(row);
    if (fits) this.shown.push(row);
    const oldest = this.rows.at(0).number;
    while (this.shown.length && this.shown.at(0).number < oldest) this.shown.shift();
    return fits ? 1 : 0;
  }

  setFilter(filter) {
    this.#filter = filter;
    this.shown.clear();
    for (let index = 0; index < this.rows.length; index++) {
      const row = this.rows.at(index);
      if (filter === null || filter(row)) this.shown.push(row);
    }
  }

  clear() {
    this.rows.clear();
    this.shown.clear();
    this.#waiting.clear();
  }
}
