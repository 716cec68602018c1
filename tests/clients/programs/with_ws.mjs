// The npm package ws; a proxy is an agent of https-proxy-agent or socks-proxy-agent.
import { createRequire } from "node:module";

const load = createRequire(`${process.env.NODE_PACKAGES}/`);
const WebSocket = load("ws");
let agent;
if (process.env.HTTPS_PROXY) agent = new (load("https-proxy-agent").HttpsProxyAgent)(process.env.HTTPS_PROXY);
if (process.env.ALL_PROXY) agent = new (load("socks-proxy-agent").SocksProxyAgent)(process.env.ALL_PROXY);
const messages = ["hello", "é".repeat(1000), "x".repeat(1 << 20)];
const socket = new WebSocket("wss://ws.test/", { agent, headers: { authorization: `Bearer ${process.env.PROXY_TOKEN}` } });
const same = [];
socket.on("open", () => socket.send(messages[0]));
socket.on("message", (data) => {
  same.push(data.toString() === messages[same.length]);
  if (same.length < messages.length) socket.send(messages[same.length]);
  else socket.close(1000);
});
socket.on("close", (code) => console.log(JSON.stringify({ same, code, extensions: socket.extensions })));
