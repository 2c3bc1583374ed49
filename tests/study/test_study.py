"""Profiles, rows, result files and provenance; the sets of masks that notebooks pass on; pairs and their scores."""

import json
import re
import subprocess
import sys
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT, SMOKE

from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.writing import write_cohort
from fusqa.evaluation.paper import AUTOENCODER_PRINTED, PRINTED
from fusqa.evaluation.scoring import TEST, report_table, reports, scores
from fusqa.masks.label_images import resize_labels, to_native
from fusqa.masks.labels import FETUS
from fusqa.models.backbones import BACKBONES
from fusqa.simulator.cases import draw_case
from fusqa.study.material import AlteredSet, balanced_sample, load_masks, prediction_record, save_masks
from fusqa.study.pairs import altered_pairs
from fusqa.study.profile import Profile
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, TOPOLOGIES, grid, row_named
from fusqa.study.sets import ALTERED, AT_B


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    cases = [draw_case("A", 0, i) for i in range(6)]
    return write_cohort(tmp_path_factory.mktemp("cohort"), cases, scheme=FETUS, source="test", licence="MIT")


# Profiles and rows

TRAINING = {"budget": 8, "rounds": 1, "batch": 4, "rate": 0.1}
SIZES = {"unet": TRAINING | {"size": 32}, "fetal-transunet": TRAINING | {"size": 64}}


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_profile_reads(path):
    profile = Profile.read(path.stem)
    assert profile.name == path.stem
    assert "simulated" in profile.cohorts


WITHOUT_ROWS = {"simulated": {"A": 3, "B": 3, "segmenters": ["unet"], "rows": []}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bugdet": 3}, "bugdet"),
        ({"validation": 1.5}, "validation"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [0, 1, 0]}, "0 is named twice; name each only once"),
        ({"seeds": [-1]}, "greater than or equal to 0"),
        ({"cohorts": {"simulated": {"A": 3, "B": 3, "segmenters": ["unet"] * 2, "rows": []}}}, "unet is named twice"),
        ({"cohorts": {"simulated": {"A": 3, "B": 3, "segmenters": ["unet"], "rows": ["resnet19"]}}}, "resnet19"),
        ({"cohorts": {"simulated": {"A": 3, "B": 3, "segmenters": ["vnet"], "rows": []}}}, "vnet"),
        ({"segmenters": {"vnet": {"size": 32, "budget": 8, "rounds": 1, "batch": 4, "rate": 0.1}}}, "vnet"),
        (
            {"cohorts": {"ours": {"A": 3, "B": 3, "segmenters": ["unet"], "rows": []}}},
            "known cohorts are hc18, ",
        ),
        ({"segmenters": SIZES}, "segmenters .* share one size of image; theirs are .*'unet': 32"),
        (
            {"networks": {"alexnet": {"size": 32}}},
            "quality models .* share one size of image; theirs are .*'alexnet': 32",
        ),
        ({"networks": {"alexnet": {"bugdet": 32}}}, "bugdet"),
        ({"networks": {"alexnett": {"rate": 0.1}}}, "networks \\['alexnett'\\] are not known"),
        ({"once": ["vgg61"]}, "networks \\['vgg61'\\] are not known; did you mean .*vgg16"),
        ({"once": ["vgg"]}, "networks \\['vgg'\\] are not known"),
        ({"omitted": {"rate": -1}}, "rate"),
        ({"cohorts": WITHOUT_ROWS, "autoencoder": None}, "simulated: nothing would judge masks; give rows, or an auto"),
        ({"requests": {"review": {"minutes": 3, "memory_mb": 100}}}, "need an entry 'other'"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(tmp_path, change, said):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SMOKE.read_text()) | change))
    with pytest.raises(ValueError, match=said) as raised:
        Profile.read(path)
    assert str(path) in str(raised.value) and len(str(raised.value)) < 1000


def test_a_rule_asks_for_its_own_or_for_what_others_ask():
    profile = Profile.read("classroom")
    asked = profile.requests["segmentation"]
    assert profile.request("segmentation") == {"runtime": asked.minutes, "mem_mb": asked.memory_mb}
    assert profile.request("review") == profile.request("other") != profile.request("segmentation")


def test_the_paper_profile_has_the_papers_sizes_and_every_row():
    profile = Profile.read("paper")
    assert profile.cohorts["simulated"].A == 696 and profile.per_class == 113 and len(profile.seeds) >= 5
    assert set(profile.cohorts["simulated"].rows) >= set(PRINTED)
    assert not profile.segmenters["fetal-transunet"].arguments  # the published R50-ViT-B/16
    assert profile.quality.size == 224


def test_the_narrowest_setting_of_a_network_wins():
    changes = {
        "resnet18": {"rate": 0.1},
        "siamese": {"rate": 0.2, "batch": 8},
        "siamese-resnet18-scratch": {"rate": 0.3},
    }
    profile = Profile.read(SMOKE).model_copy(update={"networks": changes, "once": ("resnet50",), "seeds": (4, 5)})
    rows = [row_named(f"{row}-scratch") for row in ("single-alexnet", "single-resnet18", "siamese-resnet18")]
    plans = [profile.training(row) for row in rows]
    assert [plan.rate for plan in plans] == [profile.quality.rate, 0.1, 0.3]
    assert [plan.batch for plan in plans] == [profile.quality.batch, profile.quality.batch, 8]
    assert profile.training_without(rows[1]).budget == profile.omitted["budget"] < plans[1].budget
    assert profile.seeds_of(rows[0]) == (4, 5) and profile.seeds_of(row_named("siamese-resnet50-pretrained")) == (4,)


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match="quick"):
        Profile.read("quik")


def test_a_cohort_that_the_profile_does_not_have_is_refused():
    with pytest.raises(KeyError, match="simulated"):
        Study("quick", "hospital")


@pytest.mark.parametrize("column", ["mask", "measure_mm"])
def test_a_case_that_a_study_cannot_judge_by_is_told_before_it_trains(cohort, column, tmp_path):
    study = Study(SMOKE, "simulated", tmp_path)
    folder = copytree(cohort.folder, study.path("cohorts/A"))
    table = pd.read_csv(folder / "cases.csv", dtype=str)
    table.loc[2, column] = ""
    table.to_csv(folder / "cases.csv", index=False)
    with pytest.raises(ValueError, match=f"cases of site A have no mask .* {table['case'][2]}"):
        study.site("A")


def test_the_grid_is_the_papers_and_ours():
    assert len(grid()) == len(TOPOLOGIES) * len(BACKBONES) * 2 * len(RECIPES)
    assert len(PRINTED) == 18 and set(PRINTED) <= set(grid())  # and the autoencoder makes the paper's 19
    assert AUTOENCODER_PRINTED.f1 == 0.83
    assert PRINTED.get("single-resnet18-pretrained").f1 == max(printed.f1 for printed in PRINTED.values())
    assert PRINTED.get("single-resnet50-pretrained").accuracy == 0.902


def test_results_carry_their_provenance_and_are_read_back(tmp_path):
    study = Study(SMOKE, "simulated", tmp_path)
    study.save("figures", {"a": np.float64(1.5), "b": float("nan")}, seed=4)
    study.save_table(
        "figures", pd.DataFrame({"case": ["007", "NA", "null"], "patient": ["None", "nan", ""], "x": [0.1, 2, np.nan]})
    )
    result = study.result("figures")
    assert result["a"] == 1.5 and result["b"] is None
    assert result["provenance"] | {"seed": 4, "profile": "smoke", "cohort": "simulated"} == result["provenance"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", result["provenance"]["date"])
    table = study.table("figures")
    assert table["case"].tolist() == ["007", "NA", "null"] and table["patient"].tolist()[:2] == ["None", "nan"]
    assert np.isnan(table["x"][2])


def test_the_most_memory_is_of_this_process_and_not_of_the_one_that_started_it():
    told = "from fusqa.study.provenance import peak_mb; print(peak_mb())"
    parent = f"""
import subprocess, sys
held = b"x" * (400 << 20)
{told}
print(subprocess.run([sys.executable, "-c", {told!r}], check=True, capture_output=True, text=True).stdout)
"""
    done = subprocess.run([sys.executable, "-c", parent], check=True, capture_output=True, text=True)
    of_parent, of_child = map(float, done.stdout.split())
    assert of_child + 300 < of_parent


# Sets of masks


def test_altered_sets_are_the_same_in_any_order_and_survive_the_disk(cohort, tmp_path):
    whole, reverse = AlteredSet.make(cohort, 64, 0), AlteredSet.make(cohort.subset(np.arange(6)[::-1]), 64, 0)
    again = reverse.table.sort_values("case", kind="stable").index
    np.testing.assert_array_equal(
        whole.masks[whole.table.sort_values("case", kind="stable").index], reverse.masks[again]
    )
    whole.save(tmp_path / "altered.npz")
    loaded = AlteredSet.load(tmp_path / "altered.npz")
    np.testing.assert_array_equal(loaded.masks, whole.masks)
    pd.testing.assert_frame_equal(loaded.table, whole.table, check_dtype=False)
    assert not np.array_equal(AlteredSet.make(cohort, 64, 1).masks, whole.masks)
    AlteredSet(whole.masks, whole.table.assign(delta_days=np.nan)).save(tmp_path / "altered.npz")
    assert AlteredSet.load(tmp_path / "altered.npz").table["delta_days"].abs().isna().all()  # still numbers


def test_altered_masks_are_made_again_at_another_size_by_their_recipes(cohort):
    part = cohort.subset(np.array([4, 1]))
    again = AlteredSet.make(cohort, 32, 0).at(64, part)
    made = AlteredSet.make(cohort, 64, 0).of(part.table["case"])
    assert np.array_equal(again.masks, made.masks)
    pd.testing.assert_frame_equal(again.table, made.table)


def test_ten_masks_a_case_half_of_them_good(cohort):
    table = AlteredSet.make(cohort, 32, 0).table
    assert (table.groupby("case").size() == 10).all()
    assert (table.groupby("case")["good"].sum() == 5).all()
    json.loads(table["recipe"].iat[3])


def test_labels_are_resized_without_a_shift():
    mask = np.zeros((64, 96), np.uint8)
    mask[16:48, 24:72] = 3
    small = resize_labels(mask, (32, 32))
    rows, columns = np.nonzero(small)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 23, 8, 23)
    assert set(np.unique(small)) == {0, 3}


def test_probabilities_come_back_to_the_images_grid():
    probability = np.zeros((3, 16, 16), np.float32)
    probability[0] = 0.5
    probability[2, 4:12, 4:12] = 1
    native = to_native(probability, (32, 48))
    assert native.shape == (32, 48) and native.dtype == np.uint8
    assert native[16, 24] == 2 and native[0, 0] == 0
    assert (native == 2).mean() == pytest.approx(0.25, abs=0.02)


def test_predictions_survive_the_disk(tmp_path):
    masks = {"file": np.eye(3, dtype=np.uint8), "b-2": np.zeros((2, 5), np.uint8)}  # any name that a case may have
    save_masks(tmp_path / "p.npz", masks)
    loaded = load_masks(tmp_path / "p.npz")
    assert list(loaded) == list(masks)
    for name in masks:
        np.testing.assert_array_equal(loaded[name], masks[name])


def test_a_perfect_prediction_is_judged_so_and_an_empty_one_too():
    case = draw_case("A", 0, 0)
    perfect = prediction_record(case, case.mask, FETUS)
    assert perfect["dice_head"] == perfect["dice_body"] == 1
    assert abs(perfect["delta_mm"]) < 2 and abs(perfect["delta_days"]) < 2
    empty = prediction_record(case, np.zeros_like(case.mask), FETUS)
    assert np.isnan(empty["mm"]) and np.isnan(empty["delta_days"])
    assert empty["met"] == 0 and not empty["good"]


@pytest.mark.parametrize(("good", "wanted", "drawn"), [(6, 4, 4), (3, 4, 3), (0, 4, 0), (10, 4, 0)])
def test_the_sample_is_balanced_or_empty(good, wanted, drawn):
    truth = np.arange(10) < good
    sample = balanced_sample(truth, wanted, seed=0)
    assert (sample & truth).sum() == (sample & ~truth).sum() == drawn
    np.testing.assert_array_equal(sample, balanced_sample(truth, wanted, seed=0))


# Pairs and scores


def test_altered_masks_are_paired_with_their_own_images(cohort):
    altered = AlteredSet.make(cohort, 64, 0)
    part = cohort.subset(np.array([4, 1]))
    pairs = altered_pairs(part, altered)
    assert set(pairs.table["patient"]) == set(part.table["patient"])
    images = part.stack(64)[0]
    number = {case: i for i, case in enumerate(part.table["case"])}
    for row, case in enumerate(pairs.table["case"]):
        if case in number:
            np.testing.assert_array_equal(pairs.images[pairs.image_of[row], 0].numpy(), images[number[case]])


def judged_by(probability):
    """Scores of a model that gives `probability`, on validation and at site B (half of it drawn for the test set)."""
    rng = np.random.default_rng(0)
    good = rng.random(80) < 0.5
    table = pd.DataFrame(
        {"case": [str(i) for i in range(80)], "patient": [str(i // 2) for i in range(80)], "good": good}
    )
    table["set"], table["test"] = np.where(np.arange(80) < 40, ALTERED, AT_B), np.arange(80) >= 60
    return table.assign(probability=probability(good, rng))


def test_a_threshold_is_chosen_on_validation_and_never_on_site_b():
    shifted = judged_by(lambda good, rng: np.where(good, 0.3, 0.1) + 0.01 * rng.random(80))
    judged = reports(shifted, 0.5, seed=0)
    assert 0.11 < judged["thresholds"]["validation"] < 0.3
    assert judged["reports"]["paper"][TEST]["collapsed"]
    assert judged["reports"]["validation"][TEST]["accuracy"] == 1
    moved = shifted.assign(probability=shifted["probability"].where(shifted["set"] == ALTERED, 0.9))
    assert reports(moved, 0.5, seed=0)["thresholds"] == judged["thresholds"]


def test_no_test_set_no_report_of_it():
    table = judged_by(lambda good, rng: rng.random(80)).assign(test=False)
    assert TEST not in reports(table, 0.5, seed=0)["reports"]["paper"]


def test_printed_reports_show_figures_intervals_and_dashes():
    table = judged_by(lambda good, rng: np.where(good, 0.8, 0.2))
    one_class = table.assign(good=table["good"] | (table["set"] == AT_B))
    text = report_table(json.loads(json.dumps(reports(one_class, 0.5, 0)["reports"]).replace("NaN", "null")))
    at_b = text[text["set"] == AT_B].iloc[0]
    assert at_b["AUROC"] == "–"
    assert re.fullmatch(r"\d\.\d{3}\n\d\.\d\d–\d\.\d\d", at_b["recall"])


def test_scores_keep_every_pair_with_its_set(cohort):
    pairs = altered_pairs(cohort, AlteredSet.make(cohort, 32, 0))
    table = scores({"one": pairs, "two": pairs}, lambda p: {"probability": torch.zeros(len(p.masks))})
    assert table["set"].value_counts().to_dict() == {"one": 60, "two": 60}
    assert (table["probability"] == 0).all()
