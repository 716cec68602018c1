#!/bin/sh
set -eu
nft -f - <<'END'
table inet iron_proxy
delete table inet iron_proxy
END
ip -4 rule del priority 10510 fwmark 0x100000/0x100000 lookup 1051 2>/dev/null || true
ip -4 route del local default dev lo table 1051 2>/dev/null || true
ip -6 rule del priority 10510 fwmark 0x100000/0x100000 lookup 1051 2>/dev/null || true
ip -6 route del local default dev lo table 1051 2>/dev/null || true
