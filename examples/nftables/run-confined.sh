#!/bin/sh
# Load the rules as root, then become a user who cannot remove them, and run the workload.
set -eu
nft -f /etc/nftables.conf
exec setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
