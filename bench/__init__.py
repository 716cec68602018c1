"""
The benchmark: iron-proxy beside other proxies, on one machine, in one run. `python -m bench` starts it.

Read `run.py` first: it is the course of a run. `arms.py` (with `rivals/`), `workloads.py` and `groups.py` are the
tables to extend. What turns figures into text (`figures.py`, `targets.py`, `tables.py`, `charts.py`, `docs_page.py`,
`gate.py`) does no I/O; its tests are in `tests/unit/bench`.
"""
