from xml.etree import ElementTree

import pytest
from bench.charts import Bar, bar_chart, line_chart, shown
from bench.docs_charts import charts
from bench.results import ArmDescription
from tests.unit.bench.a_run import ARMS, a_run, rounds

SVG = "{http://www.w3.org/2000/svg}"
BARS = [Bar("nginx", 20.0, False), Bar("iron-proxy & <co>", 40.0, True)]


def elements(svg: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(SVG + name))


def test_a_chart_tells_its_figures_to_who_cannot_see_it() -> None:
    svg = bar_chart("Small GET", "µs", BARS)

    root = ElementTree.fromstring(svg)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title description")
    assert [title.text for title in elements(svg, "title")] == ["Small GET"]
    assert [text.text for text in elements(svg, "desc")] == ["µs: nginx 20; iron-proxy & <co> 40."]


def test_bars_are_as_long_as_their_values_and_ours_stands_out() -> None:
    rows = [bar for bar in elements(bar_chart("t", "µs", BARS), "rect") if bar.get("class") != "background"]

    assert [bar.get("class") for bar in rows] == ["other", "ours"]
    assert float(rows[1].get("width", 0)) == pytest.approx(2 * float(rows[0].get("width", 0)), abs=0.2)


def test_a_bar_that_would_make_all_others_look_alike_is_cut_and_says_so() -> None:
    svg = bar_chart("t", "µs", [*BARS, Bar("slow", 4000.0, False)])

    backgrounds = [bar for bar in elements(svg, "rect") if bar.get("class") == "background"]
    lengths = [float(bar.get("width", 0)) for bar in elements(svg, "rect") if bar.get("class") in ("ours", "other")]
    assert len(backgrounds) == 2  # the whole, and the gap
    assert lengths[2] == pytest.approx(5 * lengths[1], abs=0.5)
    assert "a bar with a gap is longer than shown" in svg
    assert "slow 4,000" in svg
    assert "gap" not in bar_chart("t", "µs", BARS)


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [(42.0, ["0", "20", "40", "60"]), (651.0, ["0", "200", "400", "600", "800"]), (4.0, list("01234"))],
)
def test_the_axis_of_values_has_round_numbers_and_room_for_the_highest(highest: float, ticks: list[str]) -> None:
    texts = elements(line_chart("t", "µs", {"a": [(1, highest)]}), "text")

    assert [text.text for text in texts if text.get("text-anchor") == "end"] == ticks


def test_a_chart_has_colours_for_light_and_dark() -> None:
    for svg in (bar_chart("t", "µs", BARS), line_chart("t", "µs", {"hosts": [(1, 40.0)]})):
        assert "prefers-color-scheme: dark" in svg
        assert "background" in svg


def test_counts_lie_on_a_logarithmic_axis_and_values_from_zero() -> None:
    svg = line_chart("t", "µs", {"hosts": [(1, 40.0), (100, 40.0), (10_000, 80.0)]})

    places = [(float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in elements(svg, "circle")]
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0], abs=0.2)
    assert places[0][1] == places[1][1]
    bottom = 300
    assert bottom - places[2][1] == pytest.approx(2 * (bottom - places[0][1]), abs=0.3)


def test_lines_differ_in_more_than_colour() -> None:
    svg = line_chart("t", "µs", {"a": [(1, 1.0)], "b": [(1, 2.0)]})

    assert len({line.get("stroke-dasharray") for line in elements(svg, "polyline")}) == 2


@pytest.mark.parametrize(
    "series", [{}, {"a": []}, {"a": [(0, 1.0)]}, {str(n): [(1, 1.0)] for n in range(5)}],
    ids=["no line", "no point", "count of zero", "more lines than colours"],
)  # fmt: skip
def test_a_chart_that_cannot_be_drawn_is_an_error(series: dict[str, list[tuple[float, float]]]) -> None:
    with pytest.raises(ValueError, match="a chart of lines needs points"):
        line_chart("t", "µs", series)


def test_no_bars_are_no_chart() -> None:
    with pytest.raises(ValueError, match="at least one bar"):
        bar_chart("t", "µs", [])


def test_values_of_nothing_are_drawn() -> None:
    assert elements(bar_chart("t", "µs", [Bar("a", 0.0, False)]), "rect")
    assert elements(line_chart("t", "µs", {"a": [(1, 0.0)]}), "circle")


def test_figures_are_short() -> None:
    assert [shown(value) for value in (0.1234, 12.34, 1234.5, 1_234_567)] == ["0.123", "12.3", "1,234", "1,234,567"]


def test_the_page_gets_bars_of_the_proxies_and_curves_of_the_rules() -> None:
    curve = [ArmDescription(f"secrets-{count}", "", "", group="scale-secrets") for count in (1, 10, 100)]
    samples = [rounds("scale-secrets", arm.name, {"cpu_us_per_request": 40.0}) for arm in curve]
    run = a_run(
        *rounds("small-tls", "nginx", {"cpu_us_per_request": 20.0}),
        *rounds("small-tls", "iron-proxy", {"cpu_us_per_request": 40.0}),
        *[sample for each in samples for sample in each],
        arms=[*ARMS, *curve],
    )

    found = {chart.file: chart for chart in charts(run)}

    assert set(found) == {"small-tls.svg", "scale.svg"}
    assert len(elements(found["small-tls.svg"].svg, "rect")) == 1 + 2  # no bar for the arm without a process
    assert "secrets: 40 at 1, 40 at 10, 40 at 100" in found["scale.svg"].svg


def test_without_figures_there_are_no_charts() -> None:
    assert charts(a_run()) == []
