// The list of rows: only those in sight exist, whatever number is kept. Newest first; what is read does not move away.

import { element } from "./elements.js";

const HEIGHT = 26;                        // --row of dashboard.css
const OVERSCAN = 6;

export class List {
  #drawn = new Map();                     // row elements by place in a pool
  chosen = null;

  constructor(store, open) {
    this.store = store;
    this.open = open;
    this.box = document.getElementById("list");
    this.body = document.getElementById("rows");
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.#onKey(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("[role=row]")?.record;
      if (row) this.choose(row, true);
    });
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  /** `added` rows came on top: who has scrolled down goes on seeing the same ones. */
  grown(added) {
    if (this.box.scrollTop > 0) {
      this.#setHeight();
      this.box.scrollTop += added * HEIGHT;
    }
    this.draw();
  }

  #setHeight() {
    this.body.style.height = `${this.store.shown.length * HEIGHT}px`;
    this.box.setAttribute("aria-rowcount", String(this.store.shown.length + 1));
  }

  #row(place) { return this.store.shown.at(this.store.shown.length - 1 - place); }

  draw() {
    this.#setHeight();
    const count = this.store.shown.length;
    const first = Math.max(0, Math.floor(this.box.scrollTop / HEIGHT) - OVERSCAN);
    const size = Math.ceil(this.box.clientHeight / HEIGHT) + 2 * OVERSCAN;
    const last = Math.min(count, first + size);
    for (let place = first; place < last; place++) this.#drawRow(place, place % size);
    for (const [slot, drawn] of this.#drawn) {
      if (slot >= size) { drawn.remove(); this.#drawn.delete(slot); }
      else if (drawn.place < first || drawn.place >= last) drawn.hidden = true;
    }
  }

  #drawRow(place, slot) {
    let drawn = this.#drawn.get(slot);
    if (!drawn) {
      drawn = newRow(slot);
      this.#drawn.set(slot, drawn);
      this.body.append(drawn);
    }
    const row = this.#row(place);
    drawn.hidden = false;
    if (drawn.place !== place) {
      drawn.place = place;
      drawn.style.transform = `translateY(${place * HEIGHT}px)`;
      drawn.setAttribute("aria-rowindex", String(place + 2));
    }
    const isChosen = row === this.chosen;
    if (drawn.isChosen !== isChosen || drawn.record !== row) {
      drawn.isChosen = isChosen;
      drawn.setAttribute("aria-selected", String(isChosen));
      if (isChosen) this.box.setAttribute("aria-activedescendant", drawn.id);
    }
    if (drawn.record !== row) fill(drawn, row);
  }

  choose(row, opens) {
    this.chosen = row;
    this.draw();
    if (opens) this.open(row);
  }

  #onKey(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / HEIGHT) - 2);
    const steps = {
      ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !this.store.shown.length) return;
    if (event.key === "Enter" && this.chosen) this.open(this.chosen);
    else if (event.key in steps) this.#step(steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #step(by) {
    const last = this.store.shown.length - 1;
    const from = this.#placeOf(this.chosen);
    const place = Math.min(last, Math.max(0, from === -1 && Number.isFinite(by) ? 0 : from + by));
    const top = place * HEIGHT;
    const view = this.box.clientHeight - HEIGHT;         // the heading stays on top
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + HEIGHT > this.box.scrollTop + view) this.box.scrollTop = top + HEIGHT - view;
    this.choose(this.#row(place), false);
  }

  /** Rows are in order of their numbers, so that halving finds one. */
  #placeOf(row) {
    if (row === null) return -1;
    let low = 0, high = this.store.shown.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.#row(middle).number;
      if (found === row.number) return middle;
      if (found > row.number) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

function newRow(slot) {
  const row = element("div", { role: "row", id: `row-${slot}` });
  for (const name of ["time", "action", "status", "method", "where", "client", "duration"]) {
    row.append(element("span", { role: "gridcell", class: name }));
  }
  return row;
}

function fill(drawn, row) {
  drawn.record = row;
  drawn.dataset.action = row.action;
  const cells = [
    row.time.slice(11, 23), row.action, row.status ?? "", row.method, row.isEvent ? `${row.host} ${row.path}`.trim() : row.host + row.path,
    row.client || row.address, row.duration === null ? "" : row.duration.toFixed(1),
  ];
  cells.forEach((cell, index) => { drawn.children[index].firstChild ? drawn.children[index].firstChild.data = cell : drawn.children[index].append(String(cell)); });
}
