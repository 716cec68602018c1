"""The configuration file as a `Section`: YAML parsed to nodes, with tags, anchors and sizes kept in bounds."""

from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from iron_proxy.config.problems import Problems
from iron_proxy.config.section import Section
from iron_proxy.errors import ConfigError

# A policy of ten thousand hosts is some 500 KiB; more than this is a mistake (or an attack on whoever reloads it).
MAX_CONFIG_BYTES = 16 * 1024 * 1024
# Aliases make a small file expand without end when it is walked ("billion laughs"); no sane file has this many nodes.
MAX_NODES = 1_000_000
_CORE_TAGS = ("tag:yaml.org,2002:",)


def parse_config(text: str, source: str, problems: Problems | None = None) -> Section:
    """
    The root section of a YAML text. Only the first document counts, as upstream does.

    Raises ConfigError when the text is not YAML, is empty or is not a mapping.
    """
    problems = Problems(source) if problems is None else problems
    if len(text) > MAX_CONFIG_BYTES:
        raise ConfigError([f"{source}: larger than {MAX_CONFIG_BYTES} bytes"])
    root = _compose(text, source)
    if not isinstance(root, MappingNode):
        raise ConfigError([f"{source}:1: parsing config: the file must be a mapping of keys"])
    _check_nodes(root, problems)
    return Section(root, "", problems)


def _compose(text: str, source: str) -> Node:
    yaml = YAML(typ="safe", pure=True)
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise ConfigError([f"{source}:{line}: parsing config: {error.problem}"]) from error
    except (YAMLError, RecursionError) as error:
        raise ConfigError([f"{source}: parsing config: {type(error).__name__}"]) from error
    if root is None:
        raise ConfigError([f"{source}: parsing config: the file is empty"])
    return root


def _check_nodes(root: Node, problems: Problems) -> None:
    for count, node in enumerate(_walk(root)):
        if count > MAX_NODES:
            raise ConfigError([f"{problems.source}: parsing config: aliases expand to more than {MAX_NODES} nodes"])
        tag = str(node.tag)
        if tag.startswith("!") or not tag.startswith(_CORE_TAGS) or "python" in tag:
            problems.error(node.start_mark.line + 1, "", f"the tag {tag} is not accepted; write plain values")
        elif tag.endswith((":binary", ":set", ":omap", ":pairs")):
            problems.error(node.start_mark.line + 1, "", f"the tag {tag} is not accepted; write plain values")


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, MappingNode):
            waiting.extend(part for pair in node.value for part in pair)
        elif not isinstance(node, ScalarNode):
            waiting.extend(node.value)
