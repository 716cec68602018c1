#!/bin/sh
# Five requests as an untrusted program would send them. What it holds are tokens; the answers of httpbin.org, which
# sends back what it was sent, show what the proxy made of them.
set -u

show() {
    printf '\n--- %s\n' "$1"
    shift
    curl --silent --show-error --max-time 20 --cacert /certs/ca.crt --write-out '\nstatus %{http_code}\n' "$@"
}

show "1. an allowed host" https://httpbin.org/get
show "2. a host that is not on the allowlist: 403" https://example.com/
show "3. a token in Authorization becomes the real key" \
    -H "Authorization: Bearer proxy-openai-abc123" https://httpbin.org/headers
show "4. a token in a header of its own" -H "X-Internal: proxy-internal-tok" https://httpbin.org/headers
show "5. a token in the query string" "https://httpbin.org/get?token=proxy-openai-abc123&q=hello"
