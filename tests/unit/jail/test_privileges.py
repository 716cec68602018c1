from tests.fakes.namespaces import run_in_namespaces


def test_no_capability_is_left_in_any_set_and_none_comes_back() -> None:
    printed = run_in_namespaces("""
        import subprocess
        from pathlib import Path
        from iron_proxy.jail.privileges import drop_privileges
        drop_privileges()
        lines = Path("/proc/self/status").read_text().splitlines()
        print(*(line for line in lines if line[:3] in ("Cap", "NoN", "Sec")), sep="\\n", flush=True)
        subprocess.run(["grep", "-E", "CapEff|CapPrm", "/proc/self/status"])
        """)

    fields = dict(line.split(":\t") for line in printed.splitlines())
    assert {name: value for name, value in fields.items() if name.startswith("Cap")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0000000000000000"
    )
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


def test_what_was_given_up_cannot_be_used() -> None:
    printed = run_in_namespaces("""
        import socket
        from iron_proxy.jail.privileges import drop_privileges
        drop_privileges()
        def attempt(act):
            try:
                act()
            except OSError as error:
                print(error.strerror)
        attempt(lambda: system_calls.mount("tmpfs", "/tmp", "tmpfs"))
        attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
        attempt(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
        attempt(lambda: system_calls.prctl(system_calls.PR_SET_SECUREBITS, 0))
        attempt(lambda: os.setuid(0) if os.getuid() else os.chown("/proc/self/exe", 1, 1))
        """)

    refused = printed.splitlines()
    assert refused[:4] == [
        "Operation not permitted",
        "Operation not permitted",
        "Address family not supported by protocol",
        "Operation not permitted",
    ]
    assert len(refused) == 5


def test_nobody_looks_into_a_process_without_privileges_before_it_has_become_another() -> None:
    printed = run_in_namespaces("""
        from iron_proxy.jail.privileges import drop_privileges
        drop_privileges()
        print(system_calls.prctl(3))
        """)

    assert printed.strip() == "0"
