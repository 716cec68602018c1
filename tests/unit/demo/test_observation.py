from iron_proxy.demo.observation import OriginView


def test_a_header_is_found_whatever_its_case() -> None:
    view = OriginView("GET", "/", [("X-Internal", "first"), ("x-internal", "second")])

    assert view.header("x-INTERNAL") == "first"
    assert view.header("authorization") is None
