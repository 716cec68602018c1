"""iron-proxy: a default-deny egress proxy that swaps proxy tokens for real secrets and audits every request."""
