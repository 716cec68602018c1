"""Telling what a configuration does without serving it: one made-up request at a time, or its weak spots."""
