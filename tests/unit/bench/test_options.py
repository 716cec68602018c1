import pytest
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
        (["--arm", "squid"], "invalid choice"),
        (["--write-docs", "--quick"], "needs the whole run"),
        (["--write-docs", "--arm", "nginx"], "needs the whole run"),
        (["--write-docs", "--workload", "download"], "needs the whole run"),
        (["--workload", "upload"], "invalid choice"),
    ],
    ids=[
        "no round", "underscore", "too long", "fraction", "unknown arm", "docs of a part", "docs of one arm",
        "docs of one workload", "unknown workload",
    ],
)
def test_a_wrong_option_ends_with_status_2_and_the_reason(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments)

    assert ended.value.code == 2
    assert reason in capsys.readouterr().err
