"""Audit files read back: lines out of files of any size, records out of lines, and what a terminal shows of them."""
