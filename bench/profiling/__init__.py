"""
Where a request's time goes: calls counted, and samples by library. `make profile`.

Times on a shared machine differ by a third from one minute to the next. The number of calls that a request takes does
not differ at all, so that a change of the data path shows in it at once.
"""
