#!/bin/sh
set -eu
ip -4 route replace local default dev lo table 1051
[ -n "$(ip -4 rule show priority 10510 fwmark 0x100000/0x100000 lookup 1051)" ] || ip -4 rule add priority 10510 fwmark 0x100000/0x100000 lookup 1051
ip -6 route replace local default dev lo table 1051
[ -n "$(ip -6 rule show priority 10510 fwmark 0x100000/0x100000 lookup 1051)" ] || ip -6 rule add priority 10510 fwmark 0x100000/0x100000 lookup 1051
nft -f - <<'END'
#!/usr/sbin/nft -f
# Made by: iron-proxy tproxy up -proxy-ip 10.0.0.1 -proxy-ip6 fd00:10::1 -interface br0 -print
# On the router of workloads, where the proxy runs: what comes from them reaches the proxy or nowhere.
# Connections to other addresses are taken to the proxy by TPROXY (proxy.transparent: tproxy). That needs the policy
# routes of `iron-proxy tproxy up`; without them those connections lead nowhere.

# So that loading twice is the same as loading once.
table inet iron_proxy
delete table inet iron_proxy

table inet iron_proxy {
    chain input {
        type filter hook input priority filter; policy accept;

        iifname != { "br0" } accept

        # Answers to what this machine has asked them.
        ct direction reply ct state established,related accept
        ct status dnat udp dport 53 accept
        ct status dnat tcp dport { 53 } accept
        meta mark and 0x100000 != 0 accept
        udp dport 443 counter reject with icmpx admin-prohibited comment "QUIC: refused at once, so that clients fall back to TCP"
        ip daddr 10.0.0.1 udp dport 53 accept
        ip daddr 10.0.0.1 tcp dport { 53, 80, 443, 8080 } accept
        ip6 daddr fd00:10::1 udp dport 53 accept
        ip6 daddr fd00:10::1 tcp dport { 53, 80, 443, 8080 } accept

        # What a network needs to work; it ends at this machine.
        udp sport 68 udp dport 67 accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report } accept

        # An error at once is easier to understand than a timeout.
        limit rate 5/second burst 20 packets log prefix "iron-proxy-drop: "
        meta l4proto tcp counter reject with tcp reset
        counter reject with icmpx admin-prohibited
    }

    chain forward {
        type filter hook forward priority filter; policy accept;

        # Nothing of theirs is passed on: the proxy makes connections of its own.
        iifname != { "br0" } accept
        udp dport 443 counter reject with icmpx admin-prohibited comment "QUIC: refused at once, so that clients fall back to TCP"
        # An error at once is easier to understand than a timeout.
        limit rate 5/second burst 20 packets log prefix "iron-proxy-drop: "
        meta l4proto tcp counter reject with tcp reset
        counter reject with icmpx admin-prohibited
    }

    chain postrouting {
        type filter hook postrouting priority mangle; policy accept;

        # A packet that was to be taken to the proxy must not leave, should the policy route be missing.
        meta mark and 0x100000 != 0 oif != "lo" counter drop
    }

    chain nat_prerouting {
        type nat hook prerouting priority dstnat; policy accept;

        iifname != { "br0" } accept
        udp dport 53 redirect to :53
        tcp dport 53 redirect to :53
    }

    chain taken {
        meta nfproto ipv4 tcp dport 443 tproxy ip to 10.0.0.1:443 meta mark set meta mark or 0x100000 accept
        meta nfproto ipv4 tcp dport 80 tproxy ip to 10.0.0.1:80 meta mark set meta mark or 0x100000 accept
        meta nfproto ipv6 tcp dport 443 tproxy ip6 to [fd00:10::1]:443 meta mark set meta mark or 0x100000 accept
        meta nfproto ipv6 tcp dport 80 tproxy ip6 to [fd00:10::1]:80 meta mark set meta mark or 0x100000 accept
    }

    chain prerouting {
        type filter hook prerouting priority mangle; policy accept;

        iifname { "br0" } jump taken
    }
}
END
