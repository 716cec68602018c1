#!/bin/sh
# Make a CA at the first start, hand its certificate (never its key) to the client, and serve.
set -eu
[ -e /ca/ca.crt ] || iron-proxy generate-ca -outdir /ca -alg p256
cp /ca/ca.crt /certs/ca.crt
exec iron-proxy -config /etc/iron-proxy/proxy.yaml
