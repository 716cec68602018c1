"""Whether a destination, a request or a header name is one the operator meant. Pure; compiled once, asked often."""
