from tests.fakes.namespaces import run_in_namespaces


def test_the_devices_are_chosen_and_work() -> None:
    printed = run_in_namespaces("""
        import pty, stat
        from iron_proxy.jail.device_folder import cover_devices, open_devices
        from iron_proxy.jail.mounts import detach_from_machine, make_read_only
        detach_from_machine()
        cover_devices(open_devices())
        make_read_only("/dev")
        names = set(os.listdir("/dev"))
        print(sorted(name for name in names if stat.S_ISBLK(os.stat(f"/dev/{name}").st_mode)))
        print(sorted({"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "ptmx", "pts", "shm"} - names))
        print(sorted({"mem", "kmsg", "vsock", "vhost-vsock", "vhost-net", "port", "uinput", "autofs"} & names))
        with open("/dev/null", "w") as null, open("/dev/zero", "rb") as zero:
            null.write("x")
            print(zero.read(2))
        print(os.ttyname(pty.openpty()[1]), os.listdir("/dev/pts"))
        with open("/dev/shm/x", "w") as shared:
            shared.write("y")
        try:
            open("/dev/new", "w")
        except OSError as error:
            print(error.strerror)
        """)

    assert printed.splitlines() == [
        "[]",
        "[]",
        "[]",
        r"b'\x00\x00'",
        "/dev/pts/0 ['0', 'ptmx']",
        "Read-only file system",
    ]
