"""The secrets transform: what the workload holds (proxy tokens) becomes what the upstream wants (secrets)."""
