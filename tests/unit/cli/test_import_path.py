"""What the search path is made of, whatever the interpreter has put in front of it."""

import pytest

from iron_proxy.cli.import_path import secured

LIBRARY = ["/usr/lib/python311.zip", "/usr/lib/python3.11", "/usr/lib/python3.11/site-packages", "/editable/src"]


@pytest.mark.parametrize(
    ("front", "pythonpath", "expected"),
    [
        (["/venv/bin"], "", LIBRARY),                                                  # the script's folder
        (["/here"], "", LIBRARY),                                                      # python -m
        ([""], "", LIBRARY),                                                           # python -c
        (["/venv/bin", "/here", "/own"], ":/own", ["/own", *LIBRARY]),                 # an empty entry is the folder
        (["/venv/bin", "/own", "/more"], "/own:/more", ["/own", "/more", *LIBRARY]),
        (["/here", "/here/own"], "own", ["/here/own", *LIBRARY]),
        (["/here"], ".", LIBRARY),
        (["/here"], "../here/", LIBRARY),
        (["/venv/bin", "/here"], "/here", ["/here", *LIBRARY]),                        # on purpose
        (["/else"], "", ["/else", *LIBRARY]),                                          # what an embedder has added
    ],
)
def test_the_working_directory_is_left_out_and_what_was_named_stays(
    front: list[str], pythonpath: str, expected: list[str]
) -> None:
    assert secured([*front, *LIBRARY], pythonpath, "/here", "/venv/bin", "/usr/lib/python3.11") == expected


def test_the_library_stays_whatever_the_working_directory_is() -> None:
    for here in LIBRARY:
        assert set(secured(["", *LIBRARY], "", here, "/bin", "/usr/lib/python3.11")) >= {*LIBRARY} - {LIBRARY[0]}


def test_a_path_that_is_not_understood_is_left_alone() -> None:
    assert secured(["", "/a"], "/a", "/here", "/bin", "/usr/lib/python3.11") == ["", "/a"]
