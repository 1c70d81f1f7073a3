"""Errors of the co-simulator itself; the two sides have their own."""


class ConfigError(Exception):
    """The configuration does not work: one line with what, expected, got and remedy."""


class OutputError(Exception):
    """The results folder does not work: one line with what, expected, got and remedy."""


class UnderWayError(OutputError):
    """Another process runs in the folder: nothing is wrong with it, and nothing to be done."""
