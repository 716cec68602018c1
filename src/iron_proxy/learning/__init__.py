"""What audit records say about a policy: rules made of what was seen, and the verdicts of other rules on it."""
