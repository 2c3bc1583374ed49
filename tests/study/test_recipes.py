"""A segmenter's errors as training material: degraded images, error pairs, one channel per label, hidden images."""

import numpy as np
import pandas as pd
import pytest
import torch

import fusqa.study.training
from fusqa.cohorts.writing import write_cohort
from fusqa.evaluation.paper import PRINTED
from fusqa.masks.labels import FETUS
from fusqa.masks.measurement import measured_mm
from fusqa.models.answers import ErrorLoss
from fusqa.models.callbacks import VaryGreyLevels
from fusqa.models.degradation import degrade
from fusqa.models.learner import Paired, predict
from fusqa.models.networks import TOPOLOGIES, quality_model
from fusqa.simulator.cases import draw_case
from fusqa.study.material import AlteredSet, ErrorSet
from fusqa.study.pairs import error_pairs, learning_pairs
from fusqa.study.profile import Profile
from fusqa.study.rows import RECIPES, grid
from fusqa.study.sets import ACCEPTED_DAYS, AT_A, AT_B, ERRORS, good_as_learnt
from fusqa.study.training import evidence_of, learnt_from, train


def block(number):
    """Rows and columns that are bright in an image: off the middle of both, no square, and each image has its own."""
    return slice(4 + 4 * number, 48 + 4 * number), slice(34, 86)


def scans(count=6, size=96):
    """Dark images with a bright block, and texture."""
    rng = np.random.default_rng(0)
    images = np.full((count, 1, size, size), 40.0)
    for number in range(count):
        images[number, 0, *block(number)] = 200
    return torch.from_numpy((images + rng.normal(0, 8, images.shape)).clip(0, 255).astype(np.uint8))


def degraded(seed=0):
    return degrade(scans(), torch.Generator().manual_seed(seed))


def test_degradation_repeats_with_its_seed_and_differs_between_images():
    assert torch.equal(degraded(), degraded())
    assert not torch.equal(degraded(0), degraded(1))
    changes = degraded().float().mean((1, 2, 3)) - scans().float().mean((1, 2, 3))
    assert len(changes.round().unique()) > 3
    assert degraded().dtype == torch.uint8 and degraded().shape == scans().shape


def test_degradation_touches_grey_levels_and_never_geometry():
    off = []
    for number, image in enumerate(degraded()[:, 0].numpy().astype(float)):
        rows, cols = block(number)
        for profile, bright in ((image[:, cols].mean(1), rows), (image[rows].mean(0), cols)):
            three = np.convolve(profile, np.ones(3), "valid")
            steps = three[3:] - three[:-3]  # step i lies between the pixels i + 2 and i + 3, upwards is positive
            off.append((steps.argmax() + 3 - bright.start, steps.argmin() + 3 - bright.stop))
    off = np.reshape(off, (-1, 4))  # an image a row: upper, lower, left and right edge, in pixels
    assert (np.abs(off) <= 3).all(), off  # every edge stands where it stood, and is bright on the same side
    assert (np.abs(np.median(off, axis=0)) <= 1).all(), off


def errors(cohort):
    """Errors of known size: masks as they are, with the errors that a table says they have."""
    size = 64
    images, masks = cohort.stack(size)
    table = pd.DataFrame(
        {
            "case": cohort.table["case"],
            "patient": cohort.table["patient"],
            "degraded": 1,
            "good": [True, True, False, True, True, False],
            "delta_mm": [0.0, 9.0, 0.0, -3.0, np.nan, 20.0],
            "delta_days": [0.0, 5.0, 0.0, -1.6, np.nan, 11.0],
        }
    )
    return ErrorSet(images, masks, table)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    cases = [draw_case("A", 0, i) for i in range(6)]
    return write_cohort(tmp_path_factory.mktemp("cohort"), cases, scheme=FETUS, source="test", licence="MIT")


def test_good_means_accepted_and_right(cohort):
    pairs = error_pairs(cohort, errors(cohort), 32)
    assert pairs.table["good"].tolist() == [True, False, False, True, False, False]
    assert ACCEPTED_DAYS < 5
    assert pairs.images.shape == (6, 1, 32, 32) and pairs.masks.shape == (6, 32, 32)


def test_a_prediction_is_good_in_the_sense_that_the_model_learnt():
    table = pd.DataFrame(
        [(AT_B, True, 1.0), (AT_B, True, 9.0), (AT_A, True, np.nan), (AT_B, False, 0.0), (ERRORS, True, 1.0)],
        columns=["set", "good", "delta_days"],
    )
    assert good_as_learnt(table, RECIPES["paper"]).tolist() == table["good"].tolist()
    for recipe in ("errors", "both", "blind"):
        assert good_as_learnt(table, RECIPES[recipe]).tolist() == [True, False, False, False, True]


def test_pairs_hold_the_cases_asked_for_and_no_others(cohort):
    part = cohort.subset(np.array([1, 4]))
    pairs = error_pairs(part, errors(cohort), 32)
    assert set(pairs.table["case"]) == set(part.table["case"])
    whole = error_pairs(cohort, errors(cohort), 32)
    np.testing.assert_array_equal(pairs.masks[0], whole.masks[1])


def test_errors_survive_the_disk(cohort, tmp_path):
    made = errors(cohort)
    made.save(tmp_path / "errors.npz")
    loaded = ErrorSet.load(tmp_path / "errors.npz")
    np.testing.assert_array_equal(loaded.images, made.images)
    np.testing.assert_array_equal(loaded.masks, made.masks)
    pd.testing.assert_frame_equal(loaded.table, made.table, check_dtype=False)


@pytest.fixture
def begun(cohort, monkeypatch):
    """What a training by a recipe would be made of: the arguments of its learner, by their names."""

    class Enough(Exception):
        pass

    def caught(recipe):
        told = {}

        def recorded(model, loss, training, validation, *_, **more):
            told.update(more, loss=loss, parts=(training, validation))
            raise Enough

        monkeypatch.setattr(fusqa.study.training, "make_learner", recorded)
        pairs = learning_pairs({"errors": errors(cohort)}, cohort, 64)
        plan = Profile.read("quick").quality
        with pytest.raises(Enough):
            train(torch.nn.Identity(), RECIPES[recipe], pairs, pairs, plan, 0, torch.device("cpu"))
        return told

    return caught


@pytest.fixture
def shown(begun):
    """What a training by a recipe would show to its network, as (images, masks, targets) of all samples."""
    return lambda recipe: [part.__getitems__(range(len(part))) for part in begun(recipe)["parts"]]


@pytest.mark.parametrize("recipe", ["errors", "paper-varied", "signed"])
def test_order_loss_and_grey_levels_are_those_of_the_recipe(begun, recipe):
    told = begun(recipe)
    assert isinstance(told["order"], Paired)
    assert [type(one) for one in told["callbacks"]] == [VaryGreyLevels] * (recipe == "paper-varied")
    assert type(told["loss"]) is (ErrorLoss if recipe == "signed" else torch.nn.BCEWithLogitsLoss)


def test_a_network_is_trained_on_what_its_recipe_sees_and_adds(shown):
    for images, masks, targets in shown("errors"):
        assert images.any() and masks.any() and targets.tolist() == [1, 0, 0, 1, 0, 0]
    for images, masks, _ in shown("blind"):
        assert not images.any() and masks.any()
    for images, masks, _ in shown("maskless"):
        assert images.any() and not masks.any()
    for recipe in ("exchanged", "mismatched"):
        for images, masks, targets in shown(recipe):
            assert len(targets) > 6 and (targets == 0).sum() > 4, recipe
            pairs = {
                (image.numpy().tobytes(), mask.numpy().tobytes()) for image, mask in zip(images, masks, strict=True)
            }
            assert len(pairs) > 6, recipe  # more than the masks with their own images


def test_who_sees_no_image_cannot_use_it(cohort):
    pairs = error_pairs(cohort, errors(cohort), 64)
    model = quality_model("single", "resnet18", False)
    other = error_pairs(cohort, errors(cohort), 64)
    other.images.fill_(200)
    hidden, changed = (predict(model, *p.only(["mask"]).inputs()) for p in (pairs, other))
    assert torch.equal(hidden, changed)
    assert not torch.equal(predict(model, *pairs.inputs()), predict(model, *other.inputs()))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_label_has_weights_that_are_learnt(topology):
    torch.manual_seed(0)
    model = quality_model(topology, "resnet18", False, encoding="one-hot")
    image, mask = torch.rand(4, 1, 64, 64), torch.randint(0, 5, (4, 64, 64), dtype=torch.uint8)
    model(image, mask).sum().backward()
    weights = model.encode.mix.weight  # of the picture and of four labels
    assert weights.shape == (3, 5, 1, 1) and (weights.grad.abs().sum((0, 2, 3)) > 0).all()


def test_who_sees_no_mask_cannot_use_it(cohort):
    pairs = error_pairs(cohort, errors(cohort), 64)
    hidden = pairs.only(["picture"])
    assert not hidden.masks.any() and torch.equal(hidden.images, pairs.images)
    whole = pairs.only(["picture", "mask"])
    assert torch.equal(whole.masks, pairs.masks) and torch.equal(whole.images, pairs.images)


def test_good_masks_are_laid_on_images_of_other_patients_and_called_poor(cohort):
    pairs = error_pairs(cohort, errors(cohort), 32)
    more, known = pairs.exchanged(0.5, seed=0), len(pairs.table)
    added = more.table.iloc[known:]
    assert more.table.iloc[:known].equals(pairs.table) and torch.equal(more.masks[:known], pairs.masks)
    assert len(added) == round(0.5 * pairs.table["good"].sum()) > 0
    assert not added["good"].any() and added[["delta_mm", "delta_days"]].isna().all(axis=None)
    shown = pairs.table["patient"].to_numpy()[more.image_of[known:]]  # an error has an image of its own
    assert (shown != added["patient"]).all()
    good = {mask.numpy().tobytes() for mask in pairs.where(pairs.table["good"]).masks}
    assert {mask.numpy().tobytes() for mask in more.masks[known:]} <= good
    assert torch.equal(more.image_of, pairs.exchanged(0.5, seed=0).image_of)
    assert pairs.exchanged(0.0, seed=0).table.equals(pairs.table)
    alone = pairs.where(pairs.table["patient"] == pairs.table["patient"].iloc[0])
    assert alone.exchanged(1.0, seed=0).table.equals(alone.table)


def test_a_target_is_a_column_of_the_table(cohort):
    pairs = error_pairs(cohort, errors(cohort), 32)
    samples = pairs.labelled("dice", "cpu").__getitems__([0, 3])
    assert samples[-1].tolist() == pytest.approx(pairs.table["dice"].iloc[[0, 3]].tolist())
    assert {recipe.target for recipe in RECIPES.values()} <= set(pairs.table)
    assert pairs.where(pairs.table["good"]).table["good"].all()


def test_no_printed_row_has_a_recipe_of_ours_and_every_title_is_another():
    assert not {key for key, row in grid().items() if row.recipe != "paper"} & set(PRINTED)
    assert len({row.title for row in grid().values()}) == len(grid())


def test_recipes_differ_in_one_thing_from_a_neighbour():
    """What an effect is of is known only where a pair of recipes shares everything else."""
    settings = {key: vars(recipe) for key, recipe in RECIPES.items()}
    for key, own in settings.items():
        apart = [sum(own[name] != other[name] for name in own) for label, other in settings.items() if label != key]
        assert min(apart) == 1, key


def test_both_materials_are_one_after_the_other(cohort):
    made, altered = errors(cohort), AlteredSet.make(cohort, 32, 0)
    pairs = learning_pairs({"altered": altered, "errors": made}, cohort, 32)
    first, second = (learning_pairs({name: one}, cohort, 32) for name, one in (("a", altered), ("e", made)))
    assert len(pairs.masks) == 60 + 6 and torch.equal(pairs.masks, torch.cat([first.masks, second.masks]))
    shown = [part.images[part.image_of] for part in (pairs, first, second)]
    assert torch.equal(shown[0], torch.cat(shown[1:]))
    assert pairs.table["good"].tolist() == [*first.table["good"], *second.table["good"]]


def test_an_error_counts_from_the_true_length_in_every_material(cohort):
    pairs = learning_pairs({"altered": AlteredSet.make(cohort, 32, 0)}, cohort, 32)
    own = pairs.table[pairs.table["name"] == "unaltered"].set_index("case")["delta_mm"]
    known = {case.case: measured_mm(case.mask, case.spacing, FETUS) - case.measure_mm for case in cohort}
    assert own.to_dict() == pytest.approx(known) and own.abs().min() > 0  # a mask ends between pixels


def test_masks_that_a_recipe_adds_count_as_masks_that_it_learnt_from(cohort):
    pairs = learning_pairs({"errors": errors(cohort)}, cohort, 64)
    learnt = learnt_from(RECIPES["exchanged"], pairs, 0)
    assert len(learnt.masks) > len(pairs.masks)
    history = pd.DataFrame({"samples": [48, 96], "train_loss": 0.6, "valid_loss": 0.6, "auroc": 0.5})
    plan, cpu = Profile.read("quick").quality, torch.device("cpu")
    asked = RECIPES["exchanged"], plan, history, pairs, pairs, np.full(len(pairs.masks), 0.5), cpu, 0
    found = evidence_of(*asked, Profile.read("quick").learnt)
    assert found.epochs == pytest.approx(96 / len(learnt.masks))
