"""What `iron-proxy run` does: a program in a jail, a proxy around it, and an account of what it did."""
