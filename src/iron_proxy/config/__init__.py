"""From YAML and environment to frozen dataclasses; every problem is reported with its place."""
