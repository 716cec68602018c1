"""
The program inside: started by `launch.py`, makes the namespaces, ends when everything in them has ended.

It is a program of its own because namespaces for processes and users are made by forking, and the proxy has threads.
Two of its processes stay: this one, which has nothing to do but wait, and its child, the first process of the new
namespace (`first_process.py`). What goes wrong is told outside, with the step that it went wrong in.
"""

import os
import signal
import socket
import sys

from iron_proxy.jail import first_process
from iron_proxy.jail.orders import Orders, receive, send
from iron_proxy.jail.steps import FailedStep, step
from iron_proxy.linux.system_calls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    unshare,
)

_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS


def main(control_descriptor: int, orders_descriptor: int) -> None:
    """Never returns."""
    control = socket.socket(fileno=control_descriptor)
    control.set_inheritable(False)
    with open(orders_descriptor, "rb") as file:
        orders = Orders.from_bytes(file.read())
    # Nothing interrupts the making; the program gets these back as they are now.
    signals = first_process.InheritedSignals()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os._exit(_run(control, orders, signals))


def _run(control: socket.socket, orders: Orders, signals: first_process.InheritedSignals) -> int:
    try:
        with step("namespaces"):
            unshare(_NAMESPACES)
        with step("identity"):
            _map_identity(control, orders)
        first = os.fork()
        if first == 0:
            first_process.run(control, orders, signals)
    except FailedStep as failure:
        send(control, failure.message())
        return 1
    control.close()
    first_process.let_go_of_terminal()
    os.waitpid(first, 0)
    return 0


def _map_identity(control: socket.socket, orders: Orders) -> None:
    """Root outside can map every id, which is done from there; others only their own (user_namespaces(7))."""
    send(control, {"say": "unshared"})
    answer, _ = receive(control)
    if answer is None:
        os._exit(1)
    if answer.get("mapped"):
        return
    for name, line in (("setgroups", "deny"), ("uid_map", f"{orders.uid} {orders.uid} 1"),
                       ("gid_map", f"{orders.gid} {orders.gid} 1")):  # fmt: skip
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
