"""What a reload replaces, as one frozen object: a request never sees half of a reload."""

from dataclasses import dataclass

from iron_proxy.pipeline.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The policy of one configuration. Each request takes one and keeps it to its end."""

    pipeline: Pipeline
    generation: int = 1
