"""What Linux has and Python does not: calls of the kernel, capabilities, and filters in its own language. No policy."""
