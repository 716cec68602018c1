// Node's fetch. `undici` as an argument takes fetch and EnvHttpProxyAgent from that package: Node 20's own reads no variable.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

let request = fetch;
let options = {};
if (process.argv.includes("undici")) {
  const undici = createRequire(`${process.env.NODE_PACKAGES}/`)("undici");
  request = undici.fetch;
  options = { dispatcher: new undici.EnvHttpProxyAgent() };
}
const headers = { authorization: `Bearer ${process.env.PROXY_TOKEN}` };
const content = Buffer.alloc(5_000_000, "node");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const ask = async (url, more = {}) => request(url, { headers, ...options, ...more });
const stream = () => new ReadableStream({
  start(controller) {
    for (let at = 0; at < content.length; at += 100_000) controller.enqueue(new Uint8Array(content.subarray(at, at + 100_000)));
    controller.close();
  },
});

const seen = await (await ask("https://web.test/seen")).json();
const sized = await (await ask("https://web.test/upload", { method: "PUT", body: content })).json();
const chunked = await (await ask("https://web.test/upload", { method: "PUT", body: stream(), duplex: "half" })).json();
const file = sha256(Buffer.from(await (await ask("https://files.test/random")).arrayBuffer()));
const events = await (await ask("https://web.test/events")).text();
console.log(JSON.stringify({ seen, sized, chunked, file, sent: sha256(content), events }));
