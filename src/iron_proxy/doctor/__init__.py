"""What `iron-proxy doctor` does: start the clients of this machine through a proxy, and say what each of them lacks."""
