"""`iron-proxy run`: a program in namespaces whose only way out is the proxy. Read `launch.py` first."""
