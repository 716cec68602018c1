"""The ways a benchmark can fail: it cannot be run here at all, or one measurement did not come about."""


class CannotBenchmark(Exception):
    """Nothing can be measured on this machine; the text says what is missing and how to get it."""


class MeasurementFailed(Exception):
    """One arm did not do one piece of work; the text goes into its row and the run goes on."""


class NotMeasured(MeasurementFailed):
    """The same, and nothing is wrong: something that is not installed here was needed."""
