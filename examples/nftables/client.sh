#!/bin/sh
# What still works, and what a program gets that tries to go round the proxy.
set -u

printf '%s\n' '--- through the proxy'
curl --silent --show-error --max-time 20 --cacert /certs/ca.crt --write-out '\nstatus %{http_code}\n' https://httpbin.org/get
printf '%s\n' '--- straight to an address: refused by nftables'
curl --silent --show-error --max-time 5 http://1.1.1.1/ || printf 'curl exit status %s\n' "$?"
printf '%s\n' '--- to another DNS server over TCP: refused by nftables'
curl --silent --show-error --max-time 5 telnet://9.9.9.9:53 </dev/null || printf 'curl exit status %s\n' "$?"
