"""
The bits, tables and priorities that our rules use, in one place: other programs' rules may want to keep off them.

Single bits, set and tested alone, so that what others keep in the same mark stays.
"""

TABLE = "iron_proxy"

# Packet mark: this packet is taken to the proxy. `ip rule` sends what has it to the local machine.
INTERCEPTED = 0x00100000
# Connection marks. A packet that is sent after its socket was closed has no user any more: the connection remembers.
OWN_CONNECTION = 0x00200000          # opened by a user that may go out
ANSWERED_CONNECTION = 0x00400000     # opened from outside, to a service that may answer

# The routing table that says "everything is local", and the priority of the rule that leads there: well before the main
# table (32766) and the rules that programs put right in front of it.
ROUTING_TABLE = 1051
RULE_PRIORITY = 10510
