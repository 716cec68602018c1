"""One record for everything that reaches us: what happened (outcome), the fields (record), how it is written."""
