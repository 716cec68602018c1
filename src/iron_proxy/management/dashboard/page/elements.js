// Elements with texts in them. Nothing here, or anywhere in the page, reads text as markup.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

/** Pairs of a `<dl>`; empty values are left out. */
export function facts(list, pairs) {
  const items = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  list.replaceChildren(...items.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  return list;
}

export function cells(...values) {
  return values.map((value) => element("td", typeof value === "number" ? { class: "number" } : {}, value));
}

let silence;
/** Say something to those who listen. */
export function say(sentence) {
  const box = document.getElementById("said");
  box.textContent = "";
  clearTimeout(silence);
  silence = setTimeout(() => { box.textContent = sentence; }, 50);
}

/** Copy, also where the page is not on a secure origin and browsers hide the clipboard. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = element("textarea", { "aria-hidden": "true", class: "unseen" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  say("copied");
}
