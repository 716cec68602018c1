"""What `iron-proxy action` does: a proxy for the later steps of a job in GitHub Actions, and the account of it."""
