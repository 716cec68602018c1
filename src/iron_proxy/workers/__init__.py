"""Several processes on the same ports, and the supervisor that starts them and serves all there is one of."""
