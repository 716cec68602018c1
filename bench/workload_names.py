"""Names of workloads that arms have something to say about; the workloads themselves are in `workloads.py`."""

UNARY_H2 = "unary-h2"
