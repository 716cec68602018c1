"""What `iron-proxy selftest` does: attacks on whatever guards this place, tried from inside, and what came of them."""
