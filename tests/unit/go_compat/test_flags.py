import pytest

from iron_proxy.go_compat.flags import Flag, FlagError, FlagSet, HelpRequested

SERVE = FlagSet(
    "iron-proxy",
    [
        Flag("config", "", "The configuration file.", "PATH"),
        Flag("expiry-hours", 8760, "How long it is valid."),
        Flag("name", "iron-proxy CA", "The common name."),
        Flag("quiet", False, "Say nothing."),
        Flag("color", True, "Use colours."),
    ],
)


@pytest.mark.parametrize(
    "arguments",
    [["-config", "a.yaml"], ["--config", "a.yaml"], ["-config=a.yaml"], ["--config=a.yaml"]],
    ids=["one hyphen", "two hyphens", "one and equals", "two and equals"],
)
def test_every_go_spelling_gives_the_value(arguments: list[str]) -> None:
    flags = SERVE.parse(arguments)

    assert flags.text("config") == "a.yaml"
    assert flags.given == {"config"}


def test_without_arguments_the_defaults_hold() -> None:
    flags = SERVE.parse([])

    assert (flags.text("config"), flags.integer("expiry-hours"), flags.boolean("quiet")) == ("", 8760, False)
    assert flags.given == frozenset()


@pytest.mark.parametrize(
    ("arguments", "quiet", "positional"),
    [
        (["-quiet"], True, ()),
        (["-quiet=false"], False, ()),
        (["-quiet=T"], True, ()),
        (["-quiet", "false"], True, ("false",)),
    ],
    ids=["alone", "false attached", "go word", "the next word is not its value"],
)
def test_a_truth_flag_takes_only_an_attached_value(
    arguments: list[str], quiet: bool, positional: tuple[str, ...]
) -> None:
    flags = SERVE.parse(arguments)

    assert flags.boolean("quiet") is quiet
    assert flags.positional == positional


@pytest.mark.parametrize(("text", "value"), [("24", 24), ("0x10", 16), ("-1", -1), ("1_000", 1000)])
def test_numbers_are_read_as_go_literals(text: str, value: int) -> None:
    assert SERVE.parse(["-expiry-hours", text]).integer("expiry-hours") == value


@pytest.mark.parametrize(
    ("arguments", "positional"),
    [
        (["serve", "-config", "x"], ("serve", "-config", "x")),
        (["-quiet", "--", "-config", "x"], ("-config", "x")),
        (["-", "-config", "x"], ("-", "-config", "x")),
        (["", "-quiet"], ("", "-quiet")),
    ],
    ids=["a word", "two hyphens", "one hyphen", "an empty word"],
)
def test_reading_stops_at_the_first_argument_that_is_no_flag(arguments: list[str], positional: tuple[str, ...]) -> None:
    flags = SERVE.parse(arguments)

    assert flags.positional == positional
    assert flags.text("config") == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-foo"], "flag provided but not defined: -foo"),
        (["--foo=1"], "flag provided but not defined: -foo"),
        (["-config"], "flag needs an argument: -config"),
        (["---config"], "bad flag syntax: ---config"),
        (["-=x"], "bad flag syntax: -=x"),
        (["--=x"], "bad flag syntax: --=x"),
        (["-expiry-hours", "x"], 'invalid value "x" for flag -expiry-hours: parse error'),
        (["-expiry-hours="], 'invalid value "" for flag -expiry-hours: parse error'),
        (
            ["-expiry-hours", "9223372036854775808"],
            'invalid value "9223372036854775808" for flag -expiry-hours: value out of range',
        ),
        (["-quiet=maybe"], 'invalid boolean value "maybe" for -quiet: parse error'),
    ],
)
def test_a_bad_command_line_is_refused_in_go_words(arguments: list[str], message: str) -> None:
    with pytest.raises(FlagError) as caught:
        SERVE.parse(arguments)

    assert str(caught.value) == message


def test_a_value_may_look_like_a_flag() -> None:
    assert SERVE.parse(["-config", "-quiet"]).text("config") == "-quiet"


def test_the_last_of_several_wins() -> None:
    assert SERVE.parse(["-config", "a", "-config=b"]).text("config") == "b"


def test_an_attached_value_may_hold_an_equals_sign_or_be_empty() -> None:
    assert SERVE.parse(["-config=a=b"]).text("config") == "a=b"
    assert SERVE.parse(["-name="]).text("name") == ""


@pytest.mark.parametrize("argument", ["-h", "--h", "-help", "--help", "-help=x"])
def test_help_is_a_request_and_not_an_error(argument: str) -> None:
    with pytest.raises(HelpRequested):
        SERVE.parse([argument])


def test_a_command_may_have_a_flag_called_h() -> None:
    assert FlagSet("x", [Flag("h", "", "The host.")]).parse(["-h", "a"]).text("h") == "a"


def test_the_usage_text_names_every_flag_with_its_default() -> None:
    assert SERVE.usage() == (
        "Usage of iron-proxy:\n"
        "  -config PATH\n"
        "        The configuration file.\n"
        "  -expiry-hours NUMBER\n"
        "        How long it is valid. (default 8760)\n"
        "  -name TEXT\n"
        '        The common name. (default "iron-proxy CA")\n'
        "  -quiet\n"
        "        Say nothing.\n"
        "  -color\n"
        "        Use colours. (default true)\n"
    )


def test_a_flag_whose_default_is_a_list_may_be_given_more_than_once() -> None:
    flags = FlagSet("run", [Flag("allow", (), "a host", "HOST")])

    assert flags.parse([]).texts("allow") == ()
    assert flags.parse(["-allow", "a", "--allow=b,c", "-allow", "", "x"]).texts("allow") == ("a", "b,c", "")
    assert flags.usage() == "Usage of run:\n  -allow HOST\n        a host\n"
