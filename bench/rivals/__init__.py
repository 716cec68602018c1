"""
The other proxies, one file each: what it takes to have it do the comparable job. `bench/arms.py` lists them.

The comparable job is TLS on both sides with the origin's certificate verified, the credential set in `Authorization`,
kept connections on both sides where the program can keep them, one process or thread that works, and a line of JSON
for each request.
"""
