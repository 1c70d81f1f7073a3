import ast
import math
from pathlib import Path

import pytest
from learning_reference import make_setup

import learning
from learning.errors import LearningError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset", "mnist"),
        ("generator", "gan"),
        ("partition", "random"),
        ("evaluate_on", "train"),
        ("fold", -1),
        ("normalisation", "pooled"),
        ("fold", 5),
        ("modality_pattern", "half"),
        ("num_devices", 0),
        ("batch_size", 0),
        ("learning_rate", -0.1),
        ("learning_rate", math.nan),
        ("clip_norm", 0.0),
        ("unimodal_weight", -1.0),
        ("distillation_weight", math.inf),
        ("generator_decay", 1.1),
        ("dirichlet_alpha", 0.0),
    ],
)
def test_a_setup_out_of_range_is_refused_in_one_line_that_names_the_field(field, value):
    with pytest.raises(LearningError) as refusal:
        make_setup(**{field: value})
    message = str(refusal.value)
    assert message.startswith(field)
    assert "expected" in message
    assert "remedy" in message
    assert "\n" not in message


def test_infinite_clip_norm_means_no_clipping():
    assert make_setup(clip_norm=math.inf).clip_norm == math.inf


def test_learning_imports_neither_the_loop_nor_the_network():
    files = sorted(Path(learning.__file__).parent.rglob("*.py"))
    assert len(files) > 15
    imported = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    assert "torch" in imported
    assert imported.isdisjoint({"cosim", "ns3_scenarios", "ns3", "seglearn"})
