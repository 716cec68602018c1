"""argv in, exit status out; the only folder that prints or exits."""
