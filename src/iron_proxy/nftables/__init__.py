"""Firewall rules that leave a workload no way but the proxy, as text for nft, and the policy routes beside them."""
