"""The notebooks: each by Papermill, alone too; what they print, save and say of where it came from."""

import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, SMOKE

from fusqa.evaluation.scoring import TEST
from fusqa.masks.labels import FETUS
from fusqa.metrics import classification_report
from fusqa.study.material import load_masks

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cohorts(small_study):
    return sorted(path.parent for path in small_study.folder.glob("*/results"))


def published(notebook):
    """Figures and tables of an executed notebook, as HTML."""
    return [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "<figcaption>" in output.get("data", {}).get("text/html", "")
    ]


def executed(small_study):
    return [p for folder in cohorts(small_study) for p in sorted(folder.glob("notebooks/*.ipynb"))]


def test_every_notebook_ran_to_its_end(small_study):
    names = {path.stem.split("__")[0] for path in executed(small_study)}
    assert names == {path.stem for path in NOTEBOOKS}
    for path in executed(small_study):
        notebook = nbformat.read(path, as_version=4)
        counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
        assert all(counts), path
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
        assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"], path


def test_every_caption_says_where_the_pictures_come_from(small_study):
    for path in executed(small_study):
        source = {"simulated": "simulated", "hc18": "HC18"}[path.parents[1].name]
        for html in published(nbformat.read(path, as_version=4)):
            caption = re.search(r"<figcaption>(.*?)</figcaption>", html, re.S).group(1)
            assert source in caption, (path, caption)


def test_every_figure_has_an_alternative_text(small_study):
    figures = [h for p in executed(small_study) for h in published(nbformat.read(p, as_version=4)) if "<img" in h]
    assert len(figures) > 20
    for html in figures:
        assert len(re.search(r'alt="([^"]*)"', html).group(1)) > 10


def test_every_result_says_where_it_came_from(small_study):
    for folder in cohorts(small_study):
        for path in folder.glob("results/*.json"):
            provenance = json.loads(path.read_text())["provenance"]
            assert provenance["result"] == path.stem
            assert provenance["profile"] == "smoke" and provenance["cohort"] == folder.name
            assert {"seed", "versions", "device", "threads", "commit", "date"} <= set(provenance)


def test_reports_follow_from_the_scores_of_the_cases(small_study):
    for folder in cohorts(small_study):
        for path in [*folder.glob("results/quality__*.json"), folder / "results/autoencoder.json"]:
            result = json.loads(path.read_text())
            table = pd.read_csv(path.with_suffix(".csv"), dtype={"case": str, "patient": str})
            assert len(table) > 0 or result["status"] == "not run"
            for name, sets in result.get("reports", {}).items():
                for part, report in sets.items():
                    rows = table[table["test"]] if part == TEST else table[table["set"] == part]
                    again = classification_report(
                        rows["good"], rows["probability"], rows["patient"], result["thresholds"][name]
                    ).as_dict()
                    for key in ("tp", "fp", "fn", "tn", "f1", "auroc"):
                        stored = float("nan") if report[key] is None else report[key]  # JSON has no NaN
                        assert stored == pytest.approx(again[key], nan_ok=True, abs=1e-9), (path, name, part, key)


def test_a_row_without_its_weights_is_recorded_as_not_run(small_study):
    path = small_study.folder / "simulated/results/quality__single-resnet18-pretrained__seed0.json"
    result = json.loads(path.read_text())
    if result["status"] == "run":
        pytest.skip("ImageNet weights could be had on this machine")
    assert "resnet18-f37072fd.pth" in result["reason"] and "fusqa weights" in result["reason"]
    page = (small_study.folder / "simulated/notebooks/classification.ipynb").read_text()
    assert "not run" in page and "ImageNet weights of ResNet-18" in page


def test_a_patient_is_predicted_in_one_fold_and_at_one_site(small_study):
    for folder in cohorts(small_study):
        for path in folder.glob("results/segmentation__*.json"):
            table = pd.read_csv(path.with_suffix(".csv"), dtype={"patient": str})
            at_a = table[table["site"] == "A"]
            assert (at_a.groupby("patient")["fold"].nunique() == 1).all()
            assert not set(at_a["patient"]) & set(table.loc[table["site"] == "B", "patient"])


def test_the_network_that_is_judged_did_best_on_held_out_patients_of_site_a(small_study):
    folder = small_study.folder / "simulated"
    dice = {}
    for path in folder.glob("results/segmentation__*.json"):
        at_a = pd.read_csv(path.with_suffix(".csv")).query("site == 'A'")
        per_fold = at_a.groupby("fold")[[f"dice_{name}" for name in FETUS.names]].mean()
        dice[path.stem] = np.nanmean(per_fold.to_numpy())
        result = json.loads(path.with_suffix(".json").read_text())
        assert result["best_fold"] == per_fold.mean(axis=1).idxmax()
    assert len(dice) == 2
    chosen = json.loads((folder / "results/review__seed0.json").read_text())["chosen"]
    name = f"segmentation__{chosen}__seed0"
    assert name == max(dice, key=dice.get)
    judged, own = (load_masks(folder / file) for file in (f"{name}/predictions.npz", "predictions__seed0.npz"))
    assert all(np.array_equal(judged[name], own[name]) for name in judged)


def test_the_test_set_is_balanced_and_from_site_b(small_study):
    for folder in cohorts(small_study):
        review = pd.read_csv(folder / "results/review__seed0.csv")
        at_b, drawn = review.query("site == 'B'")["good"], review.query("test")
        assert (drawn["site"] == "B").all()
        each = min(4, at_b.sum(), (~at_b).sum())  # per_class of the profile, or all that there are
        assert drawn["good"].sum() == (~drawn["good"]).sum() == each


def test_errors_in_days_follow_from_the_lengths(small_study):
    table = pd.read_csv(small_study.folder / "simulated/results/gestational_age.csv")
    truth = table["mm"] - table["delta_mm"]

    def days(x):
        return 40.9041 + 3.21585 * np.sqrt(x) + 0.348956 * x

    assert FETUS.equation == "intergrowth-21st"
    # tables hold seven significant digits
    np.testing.assert_allclose(table["delta_days"], days(table["mm"]) - days(truth), rtol=0, atol=1e-4)


def test_a_notebook_runs_alone_with_plain_papermill_and_makes_what_it_needs(tmp_path):
    settings = yaml.safe_load(SMOKE.read_text())
    settings["cohorts"] = {"simulated": settings["cohorts"]["simulated"] | {"A": 6, "B": 4}}
    profile = tmp_path / "alone.yaml"
    profile.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "papermill", str(ROOT / "notebooks/altered_masks.ipynb"), "out.ipynb"]
    command += ["-p", "profile", str(profile), "-p", "build", str(tmp_path / "build"), "-k", "python3"]
    result = tmp_path / "build/alone/simulated/results/altered_masks.json"
    for seed in (3, 0):  # with another seed than the study's the masks are looked at, and not kept
        done = subprocess.run([*command, "-p", "seed", str(seed)], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        page = nbformat.read(tmp_path / "out.ipynb", as_version=4)
        assert len(published(page)) >= 3
        assert result.is_file() == (result.parents[1] / "altered.npz").is_file() == (seed == 0)
    told = json.loads(result.read_text())
    assert told["masks"] == 60 and told["provenance"]["seed"] == 0
