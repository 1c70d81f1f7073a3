import ast
import math
from pathlib import Path
from typing import get_args

import pytest
from learning_reference import make_setup
from pydantic import ValidationError

import learning
from learning.exchange.codecs import CODECS
from learning.methods.catalogue import find_method
from learning.methods.names import METHOD_NAMES
from learning.methods.parts.generator import GENERATORS
from learning.settings import LearningSetup


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
def test_a_setup_out_of_range_is_refused_by_the_name_of_the_field(field, value):
    with pytest.raises(ValidationError) as refusal:
        make_setup(**{field: value})
    (error,) = refusal.value.errors()
    assert error["loc"] == (field,)


def test_every_name_of_a_choice_has_what_it_names():
    choices = {
        name: get_args(field.annotation) for name, field in LearningSetup.model_fields.items()
    }
    assert choices["payload_codec"] == tuple(CODECS)
    assert choices["generator"] == (*GENERATORS, "none")
    methods = Path(learning.__file__).parent / "methods"
    files = {path.stem for path in methods.glob("*.py") if "METHOD = Method(" in path.read_text()}
    assert files == set(METHOD_NAMES)
    assert all(find_method(name) for name in METHOD_NAMES)


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
