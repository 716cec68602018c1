"""
The benchmark: iron-proxy beside other proxies, on one machine, in one run. `python -m bench` starts it.

Read `run.py` first: it is the course of a run. `arms.py` and `workloads.py` are the two tables to extend. What turns
figures into text (`figures.py`, `targets.py`, `tables.py`, `docs_page.py`) does no I/O; its tests are in
`tests/unit/bench`.
"""
