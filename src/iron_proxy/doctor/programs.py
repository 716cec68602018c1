"""
The small programs that stand for a language: each makes one GET the way that language's documentation does.

Text for an interpreter of the machine, never run in this process. A program takes the URL as its only argument, writes
what went wrong on standard error and ends with a status other than 0.
"""

from typing import Final

URLLIB: Final = """\
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    answer.read()
"""

REQUESTS: Final = """\
import sys, requests
requests.get(sys.argv[1], timeout=10).raise_for_status()
"""

HTTPX: Final = """\
import sys, httpx
httpx.get(sys.argv[1], timeout=10).raise_for_status()
"""

# `fetch` of Node, Deno and Bun. Of a failure the innermost cause is what helps.
FETCH: Final = """\
const fail = (error) => {
  while (error.cause) error = error.cause;
  console.error(String(error.code ?? ''), String(error.message ?? error));
  return 1;
};
const end = (status) => globalThis.process ? process.exit(status) : Deno.exit(status);
fetch(URL_TO_GET)
  .then((answer) => answer.text().then(() => answer.ok ? 0 : 1), fail)
  .then(end);
"""

# Only to be asked of a Node that reads proxy variables: another would look the name up and connect by itself.
READS_PROXY_VARIABLES: Final = """\
const [major, minor] = process.versions.node.split('.').map(Number);
const knows = major >= 24 || (major === 22 && minor >= 21);
const stop = (reason) => { console.error(reason); process.exit(1); };
if (!knows) stop(`Node ${process.versions.node} reads no proxy variable`);
if (process.env.NODE_USE_ENV_PROXY !== '1') stop('NODE_USE_ENV_PROXY is not set');
"""

JAVA: Final = """\
import java.io.InputStream;
import java.net.URL;

public class Fetch {
    public static void main(String[] arguments) throws Exception {
        try (InputStream answer = new URL(arguments[0]).openConnection().getInputStream()) {
            answer.readAllBytes();
        } catch (java.io.IOException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
"""
