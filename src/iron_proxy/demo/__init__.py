"""`iron-proxy demo`: a workload, an origin and the real proxy between them, all on loopback. Used by `cli/demo.py`."""
