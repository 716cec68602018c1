"""Connections to the internet. Every dial on a workload's behalf passes `dialer.py`."""
