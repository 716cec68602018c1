from collections.abc import Mapping

import pytest

from iron_proxy.jail.hiding import Hiding, Machine, decide_hiding, is_below, mount_points, socket_paths

UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000003 00000000 00000000 0001 03 119324
0000000000000000: 00000002 00000000 00010000 0001 01 1168 /run/docker.sock
0000000000000000: 00000002 00000000 00010000 0001 01 1169 /home/u/.docker/run/docker.sock
0000000000000000: 00000002 00000000 00010000 0001 01 1170 @/tmp/.X11-unix/X0
0000000000000000: 00000002 00000000 00010000 0001 01 1171 /tmp/.X11-unix/X0
0000000000000000: 00000002 00000000 00010000 0001 01 1172 /tmp/tmux-1000/default
0000000000000000: 00000003 00000000 00000000 0001 03 1173 /home/u/a b/with spaces
0000000000000000: 00000003 00000000 00000000 0001 03 1174 relative/one
"""
MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - tmpfs tmpfs rw,mode=755
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
50 27 0:40 / /chroot/proc rw,relatime - proc proc rw
51 27 0:41 / /net rw,relatime - autofs /etc/auto.net rw
52 27 0:42 / /data rw,relatime - autofs systemd-1 rw
53 52 8:1 / /data rw,relatime - ext4 /dev/sdb rw
54 27 0:43 / /home rw,relatime - autofs auto.home rw
55 22 0:44 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
56 27 0:45 / /mnt/with\\040space rw - cgroup2 cgroup rw
"""


def hiding(
    environment: Mapping[str, str] | None = None, where: str = "/home/u/work", binds: tuple[str, ...] = ()
) -> Hiding:
    return decide_hiding(Machine(MOUNTS, UNIX, environment or {"HOME": "/home/u"}, where), binds)


def test_the_folders_of_services_are_covered() -> None:
    assert hiding().covered == ["/run", "/var/run", "/tmp/.X11-unix", "/tmp/.ICE-unix", "/tmp/tmux-1000"]


def test_sockets_elsewhere_are_masked_one_by_one() -> None:
    assert {"/home/u/.docker/run/docker.sock", "/home/u/a b/with spaces"} <= set(hiding().masked)
    assert "/run/docker.sock" not in hiding().masked


@pytest.mark.parametrize(
    ("runtime", "covered", "remade"),
    [
        ("/run/user/1000", False, ["/run/user/1000"]),
        ("/home/u/.run", True, []),
        ("", False, []),
        ("relative", False, []),
    ],
)
def test_the_folder_of_the_session_is_empty_but_there(runtime: str, covered: bool, remade: list[str]) -> None:
    hidden = hiding({"XDG_RUNTIME_DIR": runtime})

    assert (runtime in hidden.covered, hidden.remade) == (covered, remade)


@pytest.mark.parametrize(
    ("agent", "covered", "masked"),
    [
        ("/tmp/ssh-Ab12/agent.77", "/tmp/ssh-Ab12", None),
        ("/home/u/.ssh/agent.sock", None, "/home/u/.ssh/agent.sock"),
        ("/tmp/agent.sock", None, "/tmp/agent.sock"),
    ],
)
def test_the_agent_of_ssh_is_out_of_reach_but_not_the_folder_of_its_keys(
    agent: str, covered: str | None, masked: str | None
) -> None:
    hidden = hiding({"SSH_AUTH_SOCK": agent})

    assert covered is None or covered in hidden.covered
    assert masked is None or masked in hidden.masked
    assert "/home/u/.ssh" not in hidden.covered
    assert "/tmp" not in hidden.covered


@pytest.mark.parametrize(
    ("variable", "value", "path"),
    [
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/home/u/bus,guid=1;tcp:host=x", "/home/u/bus"),
        ("DOCKER_HOST", "unix:///srv/docker.sock", "/srv/docker.sock"),
        ("CONTAINER_HOST", "unix:/srv/podman.sock", None),
        ("DOCKER_HOST", "tcp://127.0.0.1:2375", None),
    ],
)
def test_sockets_that_variables_name_are_masked_though_the_kernel_does_not_list_them(
    variable: str, value: str, path: str | None
) -> None:
    before, after = set(hiding({}).masked), set(hiding({variable: value}).masked)

    assert after - before == ({path} if path else set())


def test_a_second_proc_and_idle_automounters_are_masked() -> None:
    masked = hiding().masked

    assert "/chroot/proc" in masked
    assert "/net" in masked
    assert not {"/proc", "/data", "/home", "/proc/sys/fs/binfmt_misc"} & set(masked)


def test_the_kernels_own_file_systems_are_read_only() -> None:
    assert hiding().read_only == ["/sys", "/sys/fs/cgroup", "/mnt/with space"]


def test_what_is_bound_stays() -> None:
    hidden = hiding(binds=("/home/u/.docker/run", "/tmp/.X11-unix"))

    assert "/home/u/.docker/run/docker.sock" not in hidden.masked
    assert "/tmp/.X11-unix" not in hidden.covered
    assert "/run" in hidden.covered


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("/run/media/u/disk", True),
        ("/run/user/1000/work", True),
        ("/run/user/1000", False),
        ("/run", False),
        ("/", False),
    ],
)
def test_a_working_directory_below_a_cover_stays_unless_it_is_a_folder_of_sockets_itself(
    where: str, kept: bool
) -> None:
    hidden = hiding({"XDG_RUNTIME_DIR": "/run/user/1000"}, where)

    assert (where in hidden.kept) == kept


def test_sockets_in_a_working_directory_below_a_cover_are_masked() -> None:
    unix = UNIX + "0: 0 0 0 1 1 1 /run/user/1000/work/agent.sock\n"

    hidden = decide_hiding(Machine(MOUNTS, unix, {}, "/run/user/1000/work"), ())

    assert "/run/user/1000/work/agent.sock" in hidden.masked


@pytest.mark.parametrize(
    ("path", "folder", "below"),
    [
        ("/run/a", "/run", True),
        ("/run", "/run", False),
        ("/running", "/run", False),
        ("/run/a", "/", True),
        ("/", "/", False),
    ],
)
def test_below_is_by_whole_names(path: str, folder: str, below: bool) -> None:
    assert is_below(path, folder) == below


def test_a_line_that_is_cut_is_passed_over() -> None:
    assert list(mount_points("22 27 0:21\n\n22 27 0:21 / /proc rw")) == []
    assert list(socket_paths("Num\n0: 1 2\n\n")) == []
