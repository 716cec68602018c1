"""What well-known programs need of the network, and a configuration made from it."""
