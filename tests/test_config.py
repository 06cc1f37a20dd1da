"""Settings check themselves at the door, and say what would have been right."""

from __future__ import annotations

import dataclasses
import json

import pytest

from aligned.config import CHOICES, Config

WHOLE = {
    "n_networks": 1,
    "hidden": 1,
    "hops": 0,
    "batch_size": 1,
    "network_steps": 0,
    "align_steps": 0,
    "seed": 0,
}
NONNEGATIVE = (
    "margin",
    "c_inc",
    "c_len",
    "c_weight",
    "gamma",
    "learning_rate",
    "weight_decay",
    "class_weight_power",
    "pseudo_weight",
    "alpha",
    "theta",
)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["no such thing", None, 3, ["a", "list"]])
def test_a_value_outside_the_choices_is_refused_with_all_choices(name: str, value: object) -> None:
    with pytest.raises(ValueError) as caught:
        Config(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name}={value!r} is not a choice")
    assert all(repr(option) in message for option in CHOICES[name])


@pytest.mark.parametrize(("name", "option"), [(n, o) for n in CHOICES for o in CHOICES[n]])
def test_every_choice_is_accepted_and_explained(name: str, option: str) -> None:
    assert getattr(Config(**{name: option}), name) == option
    assert CHOICES[name][option]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_have_a_least_value(name: str) -> None:
    assert getattr(Config(**{name: WHOLE[name]}), name) == WHOLE[name]
    for wrong in (WHOLE[name] - 1, WHOLE[name] + 0.5, True, "2", None):
        with pytest.raises(ValueError, match=f"^{name}=.*whole number >= {WHOLE[name]}"):
            Config(**{name: wrong})


@pytest.mark.parametrize("name", NONNEGATIVE)
def test_numbers_have_a_range(name: str) -> None:
    for wrong in (-1e-9, float("nan"), float("inf"), True, "0.5", None):
        with pytest.raises(ValueError, match=f"^{name}=.*give a number"):
            Config(**{name: wrong})
    assert getattr(Config(**{name: 1}), name) == 1


@pytest.mark.parametrize("name", ["alpha", "theta"])
def test_shares_end_at_one(name: str) -> None:
    assert getattr(Config(**{name: 0.0}), name) == 0.0
    with pytest.raises(ValueError, match=f"^{name}=1.01; give a number from 0 to 1"):
        Config(**{name: 1.01})


@pytest.mark.parametrize("name", ["gamma", "learning_rate"])
def test_zero_is_refused_where_it_makes_no_sense(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}=0; give a number >= "):
        Config(**{name: 0})


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", "Auto", True, None])
def test_k_is_a_length_or_auto(wrong: object) -> None:
    with pytest.raises(ValueError, match="path length >= 1, or 'auto'"):
        Config(k=wrong)
    assert Config(k=7).k == 7


@pytest.mark.parametrize("wrong", [-0.1, "cheap", None, True, float("nan")])
def test_edit_cost_is_a_number_or_auto(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"refine_edit_cost=.*>= 0, or 'auto'"):
        Config(refine_edit_cost=wrong)
    assert Config(refine_edit_cost=0.5).refine_edit_cost == 0.5


def test_messages_are_one_short_line() -> None:
    for wrong in ({"model": "cnn"}, {"k": 0}, {"theta": 2}, {"seed": -1}):
        with pytest.raises(ValueError) as caught:
            Config(**wrong)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


def test_defaults_are_the_ones_promised() -> None:
    promised = {
        "model": "gnn",
        "estimator": "local",
        "k": "auto",
        "rule": "auto",
        "alpha": 0.5,
        "margin": 0.0,
        "theta": 0.3,
        "c_inc": 1.0,
        "c_len": 5.0,
        "c_weight": 2.0,
        "speak_only": True,
        "objective": "balance",
        "n_networks": 3,
        "gamma": 2.0,
        "seed": 0,
        "device": "auto",
    }
    assert {name: getattr(Config(), name) for name in promised} == promised


def test_the_published_preset() -> None:
    paper = Config.paper("ecoli")
    published = {
        "hidden": 64,
        "learning_rate": 1e-3,
        "batch_size": 64,
        "network_steps": 500,
        "align_steps": 400 * 20,
        "theta": 0.3,
        "c_inc": 0.1,
        "c_len": 5.0,
        "c_weight": 0.5,  # the published hinge with coefficient 1, up to a constant
        "k": 5,
        "rule": "boolean",
        "estimator": "reinforce",
        "speak_only": False,
        "decision": "argmax",
        "refine_rows": "all",
        "n_networks": 1,
    }
    assert {name: getattr(paper, name) for name in published} == published
    human = Config.paper("human_tf")
    assert (human.network_steps, human.align_steps) == (300, 150 * 100)
    assert Config.paper("human_tf", network_steps=1).network_steps == 1
    with pytest.raises(ValueError, match="model='cnn'"):
        Config.paper(model="cnn")


def test_the_published_hinge_is_half_our_linear_weight_term() -> None:
    """``max(0, sign(a-½)(½-w))`` and ``½(w(1-a) + (1-w)a)`` differ by what a cannot change."""
    for w in (0.0, 0.2, 0.5, 0.9, 1.0):
        hinge = {a: max(0.0, (1 if a > 0.5 else -1) * (0.5 - w)) for a in (0, 1)}
        linear = {a: Config.paper().c_weight * (w * (1 - a) + (1 - w) * a) for a in (0, 1)}
        assert linear[1] - linear[0] == pytest.approx(hinge[1] - hinge[0])


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().k = 3  # type: ignore[misc]


def test_replace_checks_again_and_knows_the_fields() -> None:
    base = Config(seed=4)
    changed = base.replace(k=2, rule="majority")
    assert (changed.k, changed.rule, changed.seed) == (2, "majority", 4)
    assert base.k == "auto"
    with pytest.raises(ValueError, match="'depth' is no setting of Config"):
        base.replace(depth=3)
    with pytest.raises(ValueError, match="k=0"):
        base.replace(k=0)


@pytest.mark.parametrize("config", [Config(), Config.paper(), Config(k=3, refine_edit_cost=1.5)])
def test_a_dictionary_and_a_file_give_the_settings_back(config: Config) -> None:
    as_dict = config.to_dict()
    assert set(as_dict) == {f.name for f in dataclasses.fields(Config)}
    assert Config(**as_dict) == config
    assert Config(**json.loads(json.dumps(as_dict))) == config
