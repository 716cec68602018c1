import pytest
from bench.__main__ import groups_for
from bench.groups import all_groups, narrowed
from bench.options import parse_options


def test_a_whole_run_has_three_rounds_of_four_seconds() -> None:
    options = parse_options([])

    assert (options.rounds, options.seconds, options.quick, options.keep, options.write_docs) == (
        3,
        4,
        False,
        False,
        False,
    )


def test_a_quick_run_has_shorter_rounds() -> None:
    assert parse_options(["--quick"]).seconds == 2
    assert parse_options(["--quick", "--seconds", "5"]).seconds == 5


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--rounds", "0"], "between 1 and 100"),
        (["--rounds", "1_0"], "whole number"),
        (["--seconds", "601"], "between 1 and 600"),
        (["--seconds", "2.5"], "whole number"),
        (["--arm", "apache"], "invalid choice: 'apache' (choose from direct, nginx"),
        (["--write-docs", "--quick"], "needs the whole run"),
        (["--write-docs", "--arm", "nginx"], "needs the whole run"),
        (["--write-docs", "--workload", "download"], "needs the whole run"),
        (["--workload", "sideload"], "invalid choice"),
        (["--rival", "nginx=nginx"], "there is an arm named nginx already"),
        (["--rival", "a=x", "--rival", "a=y"], "there is an arm named a already"),
        (["--rival", "a"], "write NAME=COMMAND"),
        (["--rival", "a={here}"], "a: {here} is none of http_port, https_port"),
        (["--gate", "--write-baseline"], "exclude each other"),
        (["--gate", "--quick"], "choose what is run"),
        (["--write-baseline", "--rival", "a=x"], "choose what is run"),
        (["--gate", "--write-docs"], "needs the whole run"),
    ],
    ids=[
        "no round",
        "underscore",
        "too long",
        "fraction",
        "unknown arm",
        "docs of a part",
        "docs of one arm",
        "docs of one workload",
        "unknown workload",
        "rival with a taken name",
        "two rivals of a name",
        "rival without a command",
        "rival with an unknown placeholder",
        "gate that makes its own baseline",
        "gate of a part",
        "baseline with a rival",
        "docs of the gate",
    ],
)
def test_a_wrong_option_ends_with_status_2_and_the_reason(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments)

    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_given_rival_is_an_arm_that_can_be_chosen() -> None:
    options = parse_options(["--rival", "other=serve --port {https_port}", "--arm", "other"])

    assert [arm.name for arm in options.rival] == ["other"]
    assert options.arm == ["other"]


def test_scale_stands_for_all_workloads_that_ask_how_costs_grow() -> None:
    names = [workload.name for group in narrowed(all_groups(), ["scale"], None) for workload in group.workloads]

    assert {"scale-exact-hosts", "scale-wildcards", "scale-path-rules", "scale-secrets", "idle", "new-names"} < set(
        names
    )
    assert "small-tls" not in names


def test_a_choice_of_proxies_asks_nothing_of_the_other_groups() -> None:
    (group,) = narrowed(all_groups(), None, ["nginx", "envoy"])

    assert [arm.name for arm in group.arms] == ["nginx", "envoy"]
    assert group.measures_starts


def test_a_choice_of_workloads_measures_no_starts() -> None:
    (group,) = narrowed(all_groups(), ["small-plain"], ["nginx"])

    assert [workload.name for workload in group.workloads] == ["small-plain"]
    assert not group.measures_starts


def test_without_a_choice_everything_is_measured() -> None:
    assert narrowed(all_groups(), None, None) == list(all_groups())


def test_a_quick_run_is_beside_nginx_and_what_was_given() -> None:
    (group,) = groups_for(parse_options(["--quick", "--rival", "other=serve"]))

    assert [arm.name for arm in group.arms] == ["direct", "nginx", "iron-proxy", "other"]


def test_the_gate_measures_ours_and_nginx_only() -> None:
    (group,) = groups_for(parse_options(["--gate"]))

    assert [arm.name for arm in group.arms] == ["nginx", "iron-proxy"]
    assert len(group.workloads) == 8
