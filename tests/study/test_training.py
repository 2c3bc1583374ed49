"""A model of one's own: trained on a cohort, its card true, its figures those of the pairs it kept."""

import json
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from fusqa.assessment import own_training
from fusqa.assessment.verdicts import Assessor
from fusqa.cli import app
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import read_mask, write_image
from fusqa.files import significant
from fusqa.metrics import best_threshold
from fusqa.simulator.cases import simulate
from fusqa.study.rows import RECIPES, Row, row_named

SMOKE = "tests/smoke.yaml"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "own"
    simulate(folder, "A", 24, 0)
    return folder


@pytest.fixture(scope="module")
def predictions(cohort, tmp_path_factory):
    """A segmenter that does well on every other picture and misses the head on the others."""
    folder = tmp_path_factory.mktemp("predictions")
    for number, case in enumerate(Cohort.open(cohort)):
        write_image(folder / f"{case.case}.png", np.where((case.mask == 1) & (number % 2 == 1), 0, case.mask))
    return folder


def train(cohort, out, *more):
    return CliRunner().invoke(app, ["train", str(cohort), "--out", str(out), "--profile", SMOKE, *map(str, more)])


@pytest.mark.parametrize(
    "row",
    [
        "single-resnet18-scratch",
        "single-alexnet-scratch-errors",
        "single-alexnet-scratch-exchanged",
        "single-alexnet-scratch-both",
    ],
)
def test_a_model_of_one_s_own_judges_as_its_card_says(cohort, predictions, tmp_path, row):
    given = () if row.endswith("scratch") else ("--predictions", predictions)
    done = train(cohort, tmp_path / "model", "--row", row, *given)
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "model/card.json").read_text())
    kept = pd.read_csv(tmp_path / "model/validation.csv")
    np.testing.assert_array_equal(kept["probability"], significant(kept["probability"]))  # as a study keeps them
    assert card["training"]["row"] == row and card["scheme"] == "fetus"
    assert card["training"]["learnt"] == "learnt"  # by the rule of the profile of tests
    assert card["metrics"][card["training"]["chosen_on"]] == pytest.approx(
        roc_auc_score(kept["good"], kept["probability"])
    )
    truth = RECIPES[row_named(row).recipe].truth
    assert card["threshold"] == pytest.approx(best_threshold(kept[truth], kept["probability"]), abs=2e-6)
    whole = Cohort.open(cohort)
    trained_on = whole.table[~whole.table["patient"].isin(kept["patient"])]
    assert card["training"]["patients"] == trained_on["patient"].nunique() > 0
    assert card["training"]["length_mm"] == pytest.approx(
        [trained_on["measure_mm"].min(), trained_on["measure_mm"].max()]
    )
    assert f"threshold {card['threshold']:.3f}" in done.output and "Use it: fusqa assess" in done.output
    verdicts = list(Assessor.load(tmp_path / "model")(cohort))
    assert len(verdicts) == len(whole) and all(verdict.verdict for verdict in verdicts)
    assert all(0 <= verdict.unfamiliar <= 1 for verdict in verdicts)
    if given:
        shown = Assessor.load(tmp_path / "model")(_with_masks(whole, predictions, tmp_path / "shown"))
        by_case = {verdict.case: verdict.probability for verdict in shown}
        errors = kept[kept["name"] == "error"]
        np.testing.assert_allclose(errors["probability"], errors["case"].map(by_case), atol=1e-5)


def _with_masks(cohort, masks, folder):
    """Folder of the cohort's pictures with other masks."""
    from fusqa.cohorts.reading import Input

    copytree(cohort.folder / "images", folder / "images")
    copytree(masks, folder / "masks")
    return Input.open(folder, cohort.scheme, spacing=(0.2, 0.2))


def test_the_same_seed_gives_the_same_model(cohort, tmp_path):
    for name in ("one", "two"):
        assert train(cohort, tmp_path / name).exit_code == 0
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_masks_in_other_numbers_train_the_same_model(cohort, tmp_path):
    """As in `check` and `assess`, --labels says what the cohort's own masks mean."""
    copytree(cohort, tmp_path / "shown")
    for path in (tmp_path / "shown/masks").iterdir():
        write_image(path, np.uint8([0, 255, 200, 100, 50])[read_mask(path).pixels])
    assert "labels [50, 100, 200, 255] are not in scheme" in train(tmp_path / "shown", tmp_path / "none").output
    labels = ("--labels", "255=head,200=body,100=palate,50=gap")
    done = train(tmp_path / "shown", tmp_path / "model", *labels)
    assert done.exit_code == 0 and train(cohort, tmp_path / "same").exit_code == 0, done.output
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("model", "same")]
    assert weights[0] == weights[1]


def test_predictions_may_have_any_ending_and_other_numbers(cohort, predictions, tmp_path):
    kept = []
    for name, ending, numbers, labels in (
        ("plain", ".png", [0, 1, 2, 3, 4], None),
        ("other", ".PNG", [0, 9, 8, 7, 6], "9=head,8=body,7=palate,6=gap"),
    ):
        for path in predictions.iterdir():
            write_image(tmp_path / name / (path.stem + ending), np.uint8(numbers)[read_mask(path).pixels])
        more = ("--prediction-labels", labels) if labels else ()
        row = ("--row", "single-alexnet-scratch-errors")
        done = train(cohort, tmp_path / f"{name}-model", *row, "--predictions", tmp_path / name, *more)
        assert done.exit_code == 0, done.output
        kept.append((tmp_path / f"{name}-model/weights.safetensors").read_bytes())
    assert kept[0] == kept[1]


def test_a_plain_folder_of_pairs_is_enough_to_train(cohort, tmp_path):
    for part in ("images", "masks"):
        copytree(cohort / part, tmp_path / "pairs" / part)
    assert "states no pixel spacing; give --spacing" in train(tmp_path / "pairs", tmp_path / "none").output
    done = train(tmp_path / "pairs", tmp_path / "model", "--spacing", "0.2")
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "model/card.json").read_text())
    kept = pd.read_csv(tmp_path / "model/validation.csv", dtype=str)
    assert card["training"]["patients"] == 24 - kept["patient"].nunique()
    assert (kept["patient"] == kept["case"]).all()


def test_a_place_that_cannot_be_written_is_told_before_the_training(cohort, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(own_training, "train", lambda *given: pytest.fail("it was trained first"))
    done = train(cohort, tmp_path / "file/model")
    assert done.exit_code == 2 and "file" in done.output


def test_a_cohort_without_masks_says_so(cohort, tmp_path):
    table = pd.read_csv(cohort / "cases.csv", dtype=str).assign(mask="", measure_mm="")
    copytree(cohort, tmp_path / "plain")
    table.to_csv(tmp_path / "plain/cases.csv", index=False)
    assert "no case of the cohort has a mask" in train(tmp_path / "plain", tmp_path / "model").output


def test_what_cannot_be_trained_is_told_before_it_takes_time(cohort, predictions, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/card.json").write_text("{}")
    (tmp_path / "used").mkdir()
    (tmp_path / "used/history.csv").write_text("mine")
    perfect = tmp_path / "perfect"
    for case in Cohort.open(cohort):
        write_image(perfect / f"{case.case}.png", case.mask)
    for number, mask in enumerate(Cohort.open(cohort)):
        small = mask.mask[::2, ::2] if number == 3 else np.full_like(mask.mask, 9) if number == 4 else mask.mask
        if number != 5:
            write_image(tmp_path / f"bad/{mask.case}.png", small)
    errors = ("--row", "single-resnet18-scratch-errors")
    for out, more, said in (
        ("m", ("--row", "single-resnet-scratch"), "there is no row 'single-resnet-scratch'; those with the nearest"),
        ("m", errors, "give --predictions"),
        ("m", ("--predictions", predictions), "leave out --predictions"),
        ("m", (*errors, "--predictions", perfect), "masks are good, so nothing can be learnt"),
        ("full", (), "holds a model already"),
        ("used", (), "holds history.csv, which would be lost; give another folder"),
        ("m", ("--profile", "nosuch"), "no profile 'nosuch'"),
    ):
        done = train(cohort, tmp_path / out, *more)
        assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output, done.output
    done = train(cohort, tmp_path / "m", *errors, "--predictions", tmp_path / "bad")
    assert done.exit_code == 2
    for said in ("has another size than its image", "labels [9] are not in scheme", "is not there"):
        assert done.output.count(said) == 1
    assert not (tmp_path / "m").exists()


def test_a_row_s_name_says_topology_backbone_start_and_recipe():
    named = Row("synergic", "efficientnet-lite0", True, "errors")
    assert row_named("synergic-efficientnet-lite0-pretrained-errors") == named
    assert row_named("single-resnet18-scratch") == Row("single", "resnet18", False)
