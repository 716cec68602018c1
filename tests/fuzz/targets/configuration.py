"""The configuration file, with everything that its transforms read."""

from iron_proxy.config.loading import examine_config
from iron_proxy.errors import ConfigError
from iron_proxy.runtime.assemble import build_pipeline

_ENVIRONMENT = {"OPENAI_API_KEY": "sk-real-openai-key", "IRON_PROXY_LOG_LEVEL": "debug"}
_REAL = "sk-real-openai-key"


def check_file(wire: bytes) -> None:
    """ConfigError, or problems that each are one line and name the file; a secret is in none of them."""
    try:
        config, problems = examine_config("x.yaml", _ENVIRONMENT, lambda _: wire)
    except ConfigError as error:
        _check_sentences(error.problems)
        return
    if not problems.errors:
        try:
            build_pipeline(config, _ENVIRONMENT)
        except ConfigError as error:
            _check_sentences(error.problems)
    _check_sentences([*problems.errors, *problems.warnings])


def _check_sentences(sentences: list[str]) -> None:
    for sentence in sentences:
        assert sentence
        assert _REAL not in sentence
