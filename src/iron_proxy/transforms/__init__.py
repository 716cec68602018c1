"""What runs on each request, one file or folder each; the rest of the program reaches them through `registry.py`."""
