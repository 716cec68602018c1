"""The CA that signs, the leaves it signs, and the TLS contexts they are served from. Clients trust nothing else."""
