import ast
import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from learning_reference import everything_arrives, make_setup
from pydantic import ValidationError

import learning
from learning.exchange.codecs import CODECS
from learning.learner import Learner
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


class Watched(LearningSetup):
    """A setup that remembers which fields were looked at."""

    def __getattribute__(self, name):
        if name in LearningSetup.model_fields:
            self.__dict__.setdefault("_seen", set()).add(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_method_looks_at_the_fields_that_say_they_matter_to_it_and_at_no_other(made, method):
    only = "acc" if method == "single_modality" else None
    setup = make_setup(method=method, only_modality=only, warmup_rounds=0)
    watched = Watched(**dict(setup))
    learner = Learner(watched, made)
    everyone = np.ones(setup.num_devices, dtype=bool)
    for round_index in range(2):
        trains, _ = learner.roles(round_index)
        learner.train(round_index, learner.available * trains[:, None], everyone)
        learner.mix(everything_arrives(learner), everyone)
    learner.work_cost()
    for name, field in LearningSetup.model_fields.items():
        when = (field.json_schema_extra or {}).get("when", {})
        # Every method asks whether only_modality was given.
        if "method" in when and name != "only_modality":
            assert (name in watched.__dict__["_seen"]) == (method in when["method"]), name
