"""What is said about a secret that cannot stand where it should go."""

from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.unfit import unfit_for_header, unfit_for_path


def test_the_source_and_the_remedy_are_named_and_the_value_is_not() -> None:
    error = unfit_for_header(Secret("K", "canary\n", "write it without one"), b"X-Key")

    assert str(error) == 'secret "K" holds a control character and cannot stand in header X-Key (write it without one)'


def test_a_dot_segment_names_the_source() -> None:
    assert str(unfit_for_path(Secret("K", ".."))) == 'secret "K" would make a dot segment and cannot stand in the path'
