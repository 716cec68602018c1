"""
The configuration from where it is kept: a file (or none) and the environment, to a checked `Config`.

Here the text becomes YAML nodes, with tags, aliases, depth and sizes kept in bounds; `reading.py` gives the nodes
their meaning. Called by `cli/` at start and by `runtime/reload.py`, again with the same environment.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import Config
from iron_proxy.config.section import Section
from iron_proxy.errors import ConfigError

# A policy of ten thousand hosts is some 500 KiB; more than this is a mistake (or an attack on whoever reloads it).
MAX_CONFIG_BYTES: Final = 16 * 1024 * 1024
# Aliases make a small file expand without end when it is walked ("billion laughs"); that policy has some 40,000 nodes.
MAX_NODES: Final = 1_000_000
# What plain YAML is made of. Anything else asks a loader to build objects, or hides what a value says.
_TAG_PREFIX: Final = "tag:yaml.org,2002:"
_PLAIN_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")
_PLAIN_TAGS: Final = frozenset(_TAG_PREFIX + kind for kind in _PLAIN_KINDS)
# What `Problems` calls the place of what was given without a file.
ENVIRONMENT: Final = "environment"
# Before what is missing from a file that nobody has named: who has one forgot to say so, who has none wants to begin.
_NOTHING_NAMED: Final = (
    "no configuration is named: -config FILE (iron-proxy init writes one, iron-proxy -h has all commands)"
)

ReadFile = Callable[[str], bytes]


def read_config_file(path: str) -> bytes:
    """The bytes of a file, and of a larger one just enough to tell. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(MAX_CONFIG_BYTES + 1)


def load_config(
    path: str | None, environment: Mapping[str, str], read_file: ReadFile = read_config_file
) -> tuple[Config, list[str]]:
    """
    The configuration and the warnings about it.

    Without a path, from the environment and the defaults alone. Raises ConfigError with every problem at once. What
    stands under `transforms[].config` is checked later, by each transform's builder.
    """
    config, problems = examine_config(path, environment, read_file)
    problems.raise_if_any()
    return config, problems.warnings


def examine_config(
    path: str | None,
    environment: Mapping[str, str],
    read_file: ReadFile = read_config_file,
    *,
    in_session: bool = False,
) -> tuple[Config, Problems]:
    """
    Like `load_config`, but the problems are handed over, so that those of the transforms can be told along with them.

    `in_session`: for `iron-proxy run`, which brings a CA, an address and listeners; what only serving needs may be left
    out. The configuration is usable only if there are no problems. Raises ConfigError for a file that cannot be read or
    parsed.
    """
    if not path:
        return _examine_environment(environment, in_session=in_session)
    problems = Problems(path)
    root = parse_config(_read_text(path, read_file), path, problems)
    return read_config(root, environment, in_session=in_session), problems


def _examine_environment(environment: Mapping[str, str], *, in_session: bool) -> tuple[Config, Problems]:
    problems = Problems(ENVIRONMENT)
    config = read_config(Section(None, "", problems), environment, in_session=in_session)
    if problems.errors and not any(name.startswith("IRON_") for name in environment):
        problems.errors.insert(0, _NOTHING_NAMED)
    return config, problems


def parse_config(text: str, source: str, problems: Problems | None = None) -> Section:
    """
    The root section of a YAML text. Only the first document counts, as upstream does.

    Raises ConfigError when the text is not YAML, is empty or is not a mapping.
    """
    problems = Problems(source) if problems is None else problems
    if len(text) > MAX_CONFIG_BYTES:
        raise ConfigError([f"{source}: parsing config: larger than {MAX_CONFIG_BYTES} bytes"])
    root = _compose(text, source)
    _check_nodes(root, problems)
    if isinstance(root, ScalarNode) and not root.style and root.value in ("", "~", "null"):
        return Section(None, "", problems)  # `---` and nothing else: all defaults, as in upstream
    if not isinstance(root, MappingNode):
        raise ConfigError([f"{source}:{root.start_mark.line + 1}: parsing config: the file must be a mapping of keys"])
    return Section(root, "", problems)


def _read_text(path: str, read_file: ReadFile) -> str:
    if path.startswith("s3://"):
        raise ConfigError([f"{path}: a configuration in S3 is not available in this version; give the path of a file"])
    try:
        content = read_file(path)
    except FileNotFoundError as error:
        raise ConfigError([f"opening config file: {path}: no such file"]) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
        raise ConfigError([f"opening config file: {path}: {reason.lower()}"]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: parsing config: the file is not UTF-8; save it as UTF-8"]) from error


def _compose(text: str, source: str) -> Node:
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # an anchor may be defined again; it is told on stderr otherwise
    documents = yaml.compose_all(text)
    try:
        root: Node | None = next(documents, None)
        if root is not None:
            yaml.composer.check_node()  # what follows must be another document: rules below a stray brace are no trifle
    except MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, source)]) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError([f"{source}:{line}: parsing config: a control character; remove it"]) from error
    except RecursionError as error:
        raise ConfigError([f"{source}: parsing config: nested too deeply"]) from error
    except (YAMLError, ValueError, OverflowError) as error:  # the last two: an escape that is no character
        raise ConfigError([f"{source}: parsing config: not YAML"]) from error
    finally:
        documents.close()
        yaml.parser.state = None  # a method of its own
        vars(yaml).clear()  # its parts know it: together they would stay, with the text, until the collector comes
    if root is None:
        raise ConfigError([f"{source}: parsing config: EOF: the file is empty"])
    return root


def _syntax_problem(error: MarkedYAMLError, source: str) -> str:
    mark = error.problem_mark or error.context_mark
    place = source if mark is None else f"{source}:{mark.line + 1}"
    told = f"{error.context or ''} {error.problem or ''}".strip() or "not YAML"
    hint = "; a value that begins with * stands in quotes" if "alias" in told else ""
    return f"{place}: parsing config: {told}{hint}"


def _check_nodes(root: Node, problems: Problems) -> None:
    for count, node in enumerate(_walk(root)):
        if count > MAX_NODES:
            raise ConfigError([f"{problems.source}: parsing config: aliases expand to more than {MAX_NODES} nodes"])
        tag = str(node.tag)
        if tag not in _PLAIN_TAGS:
            shown = tag.replace(_TAG_PREFIX, "!!")
            problems.error(node.start_mark.line + 1, "", f"the tag {shown} is not accepted; write plain values")


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, MappingNode):
            waiting.extend(part for pair in reversed(node.value) for part in pair)
        elif not isinstance(node, ScalarNode):
            waiting.extend(reversed(node.value))
