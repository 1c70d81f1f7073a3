"""The one exception that the learning side raises."""


class LearningError(Exception):
    """The learning side cannot go on; the message is one line: what, expected, got, remedy."""

    def __init__(self, what: str, expected: str, got: str, remedy: str) -> None:
        text = f"{what}: expected {expected}, got {got}; remedy: {remedy}"
        super().__init__(" ".join(text.split()))
