from tests.fakes.namespaces import run_in_namespaces

READ = """
    from pathlib import Path
    from iron_proxy.linux.capabilities import forbid_new_capabilities
    def sets():
        lines = Path("/proc/self/status").read_text().splitlines()
        return {line.split(":")[0]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}
"""


def test_those_that_are_there_stay_and_none_can_come_back() -> None:
    printed = run_in_namespaces(
        READ
        + """
    import subprocess
    before = sets()
    forbid_new_capabilities()
    after = sets()
    print(after["CapEff"] == before["CapEff"] > 0, after["CapBnd"], after["CapAmb"], flush=True)
    subprocess.run(["grep", "-E", "CapEff|CapPrm", "/proc/self/status"])
    """
    )

    assert printed.split() == ["True", "0", "0", "CapPrm:", "0" * 16, "CapEff:", "0" * 16]


def test_without_the_right_it_says_so() -> None:
    printed = run_in_namespaces(
        READ
        + """
    system_calls.clear_capabilities()
    try:
        forbid_new_capabilities()
    except PermissionError:
        print(sets()["CapAmb"])
    """
    )

    assert printed.strip() == "0"
