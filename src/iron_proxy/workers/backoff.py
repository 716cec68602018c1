"""How long a worker that has died stays away: not at all the first time, longer each time that it dies young."""

from typing import Final

# Who lived this long did not die of the start, and counts as healthy.
HEALTHY_SECONDS: Final = 60.0
_FIRST_PAUSE: Final = 0.5
# A cause that has gone away is found out within this.
_LONGEST_PAUSE: Final = 30.0


class Backoff:
    """Of one worker's place."""

    def __init__(self) -> None:
        self._deaths = 0                         # young ones, one after the other

    def pause_after(self, lived: float) -> float:
        """The seconds to wait, after one that lived so long."""
        self._deaths = 1 if lived >= HEALTHY_SECONDS else self._deaths + 1
        return 0.0 if self._deaths == 1 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._deaths - 2, 16))
