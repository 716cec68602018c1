"""Nothing that a program asked for may become markup or a workflow command."""

from iron_proxy.github_action.workflow_text import annotation, block, code


def test_an_annotation_stays_one_command() -> None:
    assert annotation("error", "a:b,c", "50%\n::error::x") == "::error title=a%3Ab%2Cc::50%25\\x0a::error::x"


def test_code_holds_no_markup_link_or_cell() -> None:
    shown = code("a|`<b>@www.x\n")

    assert shown == "<code>a&#124;&#96;&lt;b&gt;&#64;www&#46;x&#92;x0a</code>"


def test_a_block_cannot_be_ended_from_inside() -> None:
    assert block(["a", "````"], "yaml")[0] == "`````yaml"
