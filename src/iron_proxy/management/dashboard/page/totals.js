// Sums over what came by: for each host, for each denied request, for each secret. Each bounded; whoever was silent
// for longest is forgotten, and how many were is told.

import { ruleFor } from "./rule.js";

const MAX_HOSTS = 1000;
const MAX_DENIED = 500;
const MAX_SECRETS = 500;
export const BUCKETS = 60;
export const BUCKET_SECONDS = 5;

/** A Map that forgets whoever was touched longest ago. */
class Recent {
  #map = new Map();
  forgotten = 0;

  constructor(limit) { this.limit = limit; }

  get size() { return this.#map.size; }
  values() { return this.#map.values(); }
  entries() { return this.#map.entries(); }
  get(key) { return this.#map.get(key); }

  touch(key, make) {
    const value = this.#map.get(key) ?? make();
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size > this.limit) {
      this.#map.delete(this.#map.keys().next().value);
      this.forgotten++;
    }
    return value;
  }
}

export class Totals {
  hosts = new Recent(MAX_HOSTS);
  denied = new Recent(MAX_DENIED);
  secrets = new Recent(MAX_SECRETS);

  take(row, now = Date.now()) {
    if (row.isEvent || row.isOpening) return;
    this.#host(row, now);
    if (row.action === "reject") this.#denied(row);
    if (row.secrets !== null) {
      for (const name of row.secrets) {
        const use = this.secrets.touch(name, () => ({ count: 0, last: 0 }));
        use.count++;
        use.last = now;
      }
    }
  }

  #host(row, now) {
    const host = this.hosts.touch(row.host, () => ({
      host: row.host, total: 0, allowed: 0, denied: 0, failed: 0, milliseconds: 0, buckets: new Uint32Array(BUCKETS), bucket: 0,
    }));
    host.total++;
    if (row.action === "allow" || row.action === "stub") host.allowed++;
    else if (row.action === "reject") host.denied++;
    else host.failed++;
    host.milliseconds += row.duration ?? 0;
    advance(host, now);
    host.buckets[host.bucket % BUCKETS]++;
  }

  #denied(row) {
    const key = JSON.stringify([row.host, row.method, row.path, row.client, row.reason, row.code]);
    const denied = this.denied.touch(key, () => ({ ...denial(row), count: 0 }));
    denied.count++;
  }
}

const denial = (row) => ({
  host: row.host, request: `${row.method} ${row.path}`.trim(), client: row.client, reason: row.reason || row.rejectedBy,
  rule: ruleFor(row),
});

/** Empty the buckets of the time in which nothing came. */
function advance(host, now) {
  const bucket = Math.floor(now / 1000 / BUCKET_SECONDS);
  if (bucket - host.bucket >= BUCKETS) host.buckets.fill(0);
  else for (let each = host.bucket + 1; each <= bucket; each++) host.buckets[each % BUCKETS] = 0;
  host.bucket = Math.max(host.bucket, bucket);
}

/** Counts of the last buckets, oldest first. */
export function history(host, now = Date.now()) {
  advance(host, now);
  return Array.from({ length: BUCKETS }, (_, index) => host.buckets[(host.bucket + 1 + index) % BUCKETS]);
}
