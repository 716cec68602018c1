"""The life of one connection and one request. Read `handler.py` first."""
