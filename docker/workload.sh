#!/bin/sh
# What an untrusted program can do here, and what it cannot. All it holds is a token.
set -u

show() {
    printf '\n--- %s\n' "$1"
    shift
    curl --silent --show-error --max-time 20 --output /dev/null --write-out 'status %{http_code}\n' "$@"
}

show "an allowed host, with a token in the place of the key" \
    -H "Authorization: Bearer $OPENAI_API_KEY" https://api.openai.com/v1/models
show "a host that is not on the allowlist: 403" https://example.com/
show "an address, round the proxy: no way there" --connect-timeout 5 http://192.0.2.1/
