"""What the child of ns-3 preloads joins what the user preloads; without it nothing changes."""

from ns3_scenarios.allocator import preloading

HOME = {"HOME": "/root"}


def test_without_the_library_the_environment_is_the_users_own() -> None:
    assert preloading(None, HOME | {"LD_PRELOAD": "mine.so"}) == HOME | {"LD_PRELOAD": "mine.so"}
    assert preloading(None, HOME) == HOME


def test_the_library_is_preloaded_behind_what_the_user_preloads() -> None:
    assert preloading("fast.so.4", HOME) == HOME | {"LD_PRELOAD": "fast.so.4"}
    both = preloading("fast.so.4", HOME | {"LD_PRELOAD": "mine.so"})
    assert both == HOME | {"LD_PRELOAD": "mine.so fast.so.4"}
    assert "LD_PRELOAD" not in HOME
