"""
The text of a configuration with learned rules in it: a new one, or somebody's own with its allowlist replaced.

Of an existing file every line outside the allowlist's `config` stays as it is, comments included. What comes out is
still to be loaded: an anchor inside the replaced part may be missed elsewhere. Called by `cli/learn.py`. Pure.
"""

from collections.abc import Iterable, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from iron_proxy.learning.rule_text import rules_lines
from iron_proxy.learning.rules import LearnedRule

_TRANSFORMS = ("transforms:", "  - name: allowlist", "    config:")
_COLUMNS = 6
# A proxy on this machine that programs are told about, as `iron-proxy init` writes it.
_SERVING = """
dns:
  enabled: false                    # programs are told where the proxy is: HTTPS_PROXY=http://127.0.0.1:8080

proxy:
  http_listen: "off"
  https_listen: "off"
  tunnel_listen: "127.0.0.1:8080"

tls:
  ca_cert: "ca.crt"                 # made by: iron-proxy generate-ca
  ca_key: "ca.key"
"""


def new_configuration(rules: Sequence[LearnedRule], comments: Iterable[str]) -> str:
    """A whole file with these rules; `comments` are whole lines for its beginning."""
    return "\n".join([*comments, _SERVING, *transforms_lines(rules, ())])


def transforms_lines(rules: Sequence[LearnedRule], comments: Iterable[str]) -> list[str]:
    """The key `transforms:` with an allowlist of these rules, and an empty line."""
    return [*_TRANSFORMS, *_indented([*comments, *rules_lines(rules)], _COLUMNS), ""]


def with_rules(text: str, rules: Sequence[LearnedRule], comments: Iterable[str]) -> str:
    """
    A valid configuration's text with the rules in the place of what its allowlist had, `comments` before them.

    Without an allowlist it gets one before all other transforms. Raises ValueError with a sentence for a file whose
    allowlist cannot be found for certain.
    """
    root = YAML(typ="safe", pure=True).compose(text)
    if not isinstance(root, MappingNode) or root.flow_style:
        raise ValueError("the file is written in braces (JSON); -from-config edits files that are indented")
    key, transforms = next((pair for pair in root.value if pair[0].value == "transforms"), (None, None))
    if not isinstance(transforms, SequenceNode) or not transforms.value:
        return _with_new_transforms(text, key, transforms_lines(rules, comments))
    if transforms.flow_style:
        raise ValueError("its transforms are written in brackets; -from-config edits files that are indented")
    allowlists = [each for each in transforms.value if _name_of(each) == "allowlist"]
    if len(allowlists) > 1:
        raise ValueError("the file has more than one allowlist; both must admit, so rules for one are not enough")
    if not allowlists:
        item = _allowlist_item(rules, comments)
        column = transforms.start_mark.column
        return _spliced(text, transforms.start_mark.line, transforms.start_mark.line, _indented(item, column))
    return _with_config(text, allowlists[0], rules, comments)


def _with_config(text: str, item: Node, rules: Sequence[LearnedRule], comments: Iterable[str]) -> str:
    if not isinstance(item, MappingNode) or item.flow_style:
        raise ValueError("the allowlist is written in braces; -from-config edits files that are indented")
    column = item.start_mark.column
    pair = next((pair for pair in item.value if pair[0].value == "config"), None)
    config = [f"{' ' * column}config:", *_indented([*comments, *rules_lines(rules)], column + 2)]
    if pair is None:
        after = _last_line(item) + 1
        return _spliced(text, after, after, config)
    key, value = pair
    if key.start_mark.line == item.start_mark.line:            # `- config:` begins the element
        config[0] = text.split("\n")[key.start_mark.line][:column] + "config:"
    # Of a key with nothing behind it the value is said to be where something else begins.
    is_empty = isinstance(value, ScalarNode) and not value.value
    last = key.start_mark.line if is_empty else _last_line(value)
    return _spliced(text, key.start_mark.line, last + 1, config)


def _with_new_transforms(text: str, key: Node | None, addition: list[str]) -> str:
    """The key may be there, with nothing or an empty list behind it."""
    if key is None:
        return text.rstrip("\n") + "\n\n" + "\n".join(addition)
    line = key.start_mark.line
    return _spliced(text, line, line + 1, addition[:-1])


def _allowlist_item(rules: Sequence[LearnedRule], comments: Iterable[str]) -> list[str]:
    return ["- name: allowlist", "  config:", *_indented([*comments, *rules_lines(rules)], 4)]


def _spliced(text: str, start: int, end: int, lines: Iterable[str]) -> str:
    """The text with its lines from `start` up to `end` replaced."""
    before = text.split("\n")
    return "\n".join([*before[:start], *lines, *before[end:]])


def _indented(lines: Iterable[str], columns: int) -> list[str]:
    return [" " * columns + line for line in lines]


def _name_of(item: Node) -> str:
    pairs = item.value if isinstance(item, MappingNode) else ()
    return next((str(value.value) for key, value in pairs if key.value == "name"), "")


def _last_line(node: Node) -> int:
    """The last line that a node takes: that of its last scalar, for the end of a block is where the next one begins."""
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, MappingNode) else last)
