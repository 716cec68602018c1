// The key, kept for this tab only, and requests that carry it. It is never part of an address.

const PLACE = "iron-proxy management key";

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export const key = () => sessionStorage.getItem(PLACE);
export const keep = (value) => sessionStorage.setItem(PLACE, value);
export const forget = () => sessionStorage.removeItem(PLACE);

const SENTENCES = {
  401: "This is not the key.",
  403: "The proxy refuses calls from this page: open it by the address that the proxy listens on.",
  404: "This proxy does not have what the page asks for.",
  429: "Too many wrong keys. Wait a minute, and try again.",
  503: "The proxy has too many open pages. Close some.",
};

/** Ask the management API. Throws Refused for any answer but a good one, TypeError when there is none. */
export async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${key() ?? ""}`, ...options.headers };
  const answer = await fetch(`../v1/${path}`, {
    ...options, headers, cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
  });
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new Refused(answer.status, SENTENCES[answer.status] ?? `The proxy answered with status ${answer.status}.`);
  }
  return answer;
}

export const askJson = async (path) => (await ask(path)).json();
