"""
For the tests of other projects: a proxy that runs as long as a `with` block, and a pytest plugin that guards egress.

`running` and `running_async` need nothing but iron-proxy. The plugin (`iron_proxy.testing.plugin`) is loaded by pytest,
which nothing here imports otherwise.
"""

from iron_proxy.testing.running import AsyncProxy, Proxy, running, running_async

__all__ = ["AsyncProxy", "Proxy", "running", "running_async"]
