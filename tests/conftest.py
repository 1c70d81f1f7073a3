"""Hypothesis draws the same examples in every run, so that a red run can be repeated."""

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")
