"""`python -m iron_proxy`."""

from iron_proxy.cli.main import main

main()
