// The page: signs in, follows the stream, draws once a frame, and hands keys to what they are for.

import { Connections } from "./connections.js";
import { element, facts, say } from "./elements.js";
import { List } from "./list.js";
import { drawPolicy } from "./policy.js";
import { filterOf } from "./records.js";
import { ask, forget, keep, key, Refused } from "./session.js";
import { Store } from "./store.js";
import { Follower } from "./stream.js";
import { drawDenied, drawHosts } from "./tables.js";
import { Totals } from "./totals.js";
import { showTrace } from "./trace.js";
import { setUpColours } from "./colours.js";

const at = (id) => document.getElementById(id);
const TABS = ["requests", "hosts", "denied", "policy", "connections"];
const KEYS = [
  ["1 2 3 4 5", "go to a view"], ["/", "search"], ["p", "pause, or go on"], ["x", "clear the list"],
  ["↓ ↑ or j k", "next, previous record"], ["Home End", "newest, oldest record"], ["Enter", "open a record"],
  ["Esc", "close the record; leave a field"], ["t", "dark, light, or as the system"], ["?", "this list"],
];

const store = new Store();
let totals = new Totals();
const list = new List(store, (row) => { showTrace(row, closeTrace); at("trace").querySelector("h2").focus(); });
const connections = new Connections((error) => tellProblem("connections-problem", error));
let follower = null;
let shownTab = "requests";
store.onRow((row) => totals.take(row));

// --- signing in --------------------------------------------------------------------------------------------------

async function signIn(value) {
  keep(value);
  try {
    await (await ask("status")).body?.cancel();
  } catch (error) {
    forget();
    return signedOut(error instanceof Refused ? error.message : "The proxy does not answer.");
  }
  at("key").value = "";
  at("login-problem").textContent = "";
  at("login").hidden = true;
  at("dashboard").hidden = false;
  at("sign-out").hidden = false;
  at("list").focus();
  follower = new Follower({
    deliver: (name, data) => store.receive(name, data),
    changed: tellState,
    refused: (error) => { signOut(); signedOut(error.message); },
  });
  follower.run();
  if (shownTab === "connections") connections.start();
}

function signOut() {
  follower?.stop();
  follower = null;
  connections.stop();
  forget();
  store.clear();
  store.dropped = 0;
  totals = new Totals();
  closeTrace();
  for (const id of ["host-rows", "denied-rows", "process", "secret-rows", "rules", "configuration", "connection-rows"]) at(id).replaceChildren();
  signedOut("");
}

function signedOut(problem) {
  tellState("", "signed out");
  at("dashboard").hidden = true;
  at("sign-out").hidden = true;
  at("login").hidden = false;
  at("login-problem").textContent = problem;
  at("key").value = "";
  at("key").focus();
}

function tellState(state, sentence) {
  at("state").dataset.state = state;
  at("state").textContent = sentence;
}

// --- drawing -----------------------------------------------------------------------------------------------------

function frame() {
  const added = store.drain();
  if (added && shownTab === "requests") list.grown(added);
  requestAnimationFrame(frame);
}

let receivedBefore = 0;
let toldAt = performance.now();
function everySecond() {
  // Nobody sees frames of a page in the background, and there are none.
  if (document.hidden) store.drain(200);
  const now = performance.now();
  at("rate").textContent = Math.round((store.received - receivedBefore) * 1000 / (now - toldAt)).toLocaleString("en");
  [receivedBefore, toldAt] = [store.received, now];
  at("kept").textContent = store.rows.length.toLocaleString("en");
  at("dropped").textContent = store.dropped.toLocaleString("en");
  at("shown").textContent = `${store.shown.length.toLocaleString("en")} shown${store.isPaused ? `, ${store.waiting.toLocaleString("en")} waiting` : ""}`;
  at("denied-count").textContent = totals.denied.size ? `(${totals.denied.size})` : "";
  if (shownTab === "hosts") drawHosts(totals);
  if (shownTab === "denied") drawDenied(totals);
}

function closeTrace() {
  if (at("trace").hidden) return;
  at("trace").hidden = true;
  at("trace").replaceChildren();
  at("list").focus();
}

async function readPolicy() {
  tellProblem("policy-problem", null);
  try {
    await drawPolicy(totals);
  } catch (error) {
    tellProblem("policy-problem", error);
  }
}

/** Texts that have not changed are left: who listens is told once. */
function tellProblem(id, error) {
  const sentence = error === null ? "" : error instanceof Refused ? error.message : "The proxy does not answer.";
  if (at(id).textContent !== sentence) at(id).textContent = sentence;
}

// --- tools -------------------------------------------------------------------------------------------------------

function applyFilter() {
  store.setFilter(filterOf({
    search: at("search").value, host: at("filter-host").value, action: at("filter-action").value, client: at("filter-client").value,
  }));
  at("list").scrollTop = 0;
  list.draw();
  everySecond();
}

function setPaused(isPaused) {
  store.isPaused = isPaused;
  at("pause").setAttribute("aria-pressed", String(isPaused));
  at("pause").textContent = isPaused ? "Go on" : "Pause";
  say(isPaused ? "paused" : "going on");
  everySecond();
}

function clear() {
  store.clear();
  list.chosen = null;
  closeTrace();
  list.draw();
  say("cleared");
}

function showTab(name, focuses) {
  shownTab = name;
  for (const each of TABS) {
    const tab = at(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    at(each).hidden = each !== name;
  }
  if (focuses) at(`tab-${name}`).focus();
  if (name === "requests") list.draw();
  if (name === "policy") readPolicy();
  if (name === "connections") connections.start();
  else connections.stop();
  everySecond();
}

function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) showTab(TABS[(TABS.indexOf(shownTab) + step + TABS.length) % TABS.length], true);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  const isWriting = event.target.matches("input, select, textarea");
  if (event.key === "Escape") return isWriting ? at("list").focus() : closeTrace();
  if (isWriting) return;
  if (event.key === "?") return at("keys").showModal();
  if (event.key === "t") return at("theme").click();
  if (at("dashboard").hidden) return;
  if (/^[1-5]$/.test(event.key)) showTab(TABS[Number(event.key) - 1], true);
  else if (event.key === "p") setPaused(!store.isPaused);
  else if (event.key === "x") clear();
  else if (event.key === "/") { showTab("requests"); at("search").focus(); event.preventDefault(); }
}

// --- wiring ------------------------------------------------------------------------------------------------------

at("login").addEventListener("submit", (event) => { event.preventDefault(); signIn(at("key").value.trim()); });
at("sign-out").addEventListener("click", signOut);
at("pause").addEventListener("click", () => setPaused(!store.isPaused));
at("clear").addEventListener("click", clear);
at("refresh").addEventListener("click", readPolicy);
at("show-keys").addEventListener("click", () => at("keys").showModal());
at("tabs").addEventListener("keydown", onTabKey);
for (const name of TABS) at(`tab-${name}`).addEventListener("click", () => showTab(name));
for (const id of ["search", "filter-host", "filter-client", "filter-action"]) at(id).addEventListener("input", applyFilter);
document.addEventListener("keydown", onKey);
facts(at("key-list"), KEYS.map(([keys, what]) => [element("kbd", {}, keys), what]));
setUpColours(at("theme"));
setInterval(everySecond, 1000);
requestAnimationFrame(frame);
if (key()) signIn(key());
else at("key").focus();
