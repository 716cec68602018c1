"""What a drop-in owes to Go: durations, flags, path.Match globs, the text/template subset, header spelling. Pure."""
