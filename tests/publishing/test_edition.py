"""The published edition: what may be published, and that every printed table follows from its per-case scores."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import SMOKE, publishing
from sklearn import metrics as sk

from fusqa.cohorts.cohort import patient_order
from fusqa.evaluation.comparison import TrainedRow, table_3, trained_rows
from fusqa.evaluation.scoring import CONFUSION
from fusqa.evaluation.unseen import UNSEEN
from fusqa.files import read_json
from fusqa.metrics import best_threshold
from fusqa.publishing.editions import publish
from fusqa.study.profile import Profile
from fusqa.study.provenance import code_of
from fusqa.study.results import published
from fusqa.study.rows import RECIPES
from fusqa.study.sets import AT_B, own_sets
from fusqa.study.shelf import PLACE, edition_folders

COMMIT = "0123456789" * 4


@pytest.fixture
def finished(small_study, tmp_path):
    """A copy of the small study's results as if its code had been committed: the folder ``build``."""
    build = tmp_path / "build"
    for cohort in ("simulated", "hc18"):
        if (small_study.folder / cohort / "results").is_dir():
            shutil.copytree(small_study.folder / cohort / "results", build / "smoke" / cohort / "results")
    for path in build.rglob("*.json"):
        committed(path, COMMIT)
    return build


def committed(path, commit):
    result = json.loads(path.read_text())
    result["provenance"] |= {"commit": commit, "code": commit}
    path.write_text(json.dumps(result))


# What may be published


def test_a_published_study_is_read_like_one_that_was_just_made(small_study, finished, tmp_path):
    publish(str(SMOKE), finished, tmp_path / "results")
    edition = published("simulated", tmp_path / "results")
    assert edition.profile.name == "smoke"
    assert edition.result("review__seed0")["chosen"] in edition.plan.segmenters
    for name in ("review__seed0", "quality__single-resnet18-scratch__seed0"):
        again = pd.read_csv(small_study.folder / f"simulated/results/{name}.csv", dtype={"case": str, "patient": str})
        pd.testing.assert_frame_equal(edition.table(name), again)
    assert any(row.tables for row in trained_rows(edition).values())
    with pytest.raises(FileNotFoundError, match="not part of the published edition"):
        edition.table("nothing")
    assert published("hc18-early", tmp_path / "results") is None


def test_a_study_may_be_published_half_way_and_then_whole(finished, tmp_path):
    result = finished / "smoke/simulated/results/unseen.json"
    kept = result.read_text()
    result.unlink()
    half = publish(str(SMOKE), finished, tmp_path / "results")
    assert half.missing == ["simulated/unseen.json"]
    ended = publishing("publish", SMOKE, "--build", finished, "--place", tmp_path / "results")
    assert ended.exit_code == 0 and "not there yet: simulated/unseen.json" in ended.stdout
    with pytest.raises(FileNotFoundError, match="not part of the published edition"):
        published("simulated", tmp_path / "results").result("unseen")
    result.write_text(kept)
    whole = publish(str(SMOKE), finished, tmp_path / "results")
    assert whole.missing == [] and whole.results == half.results + 1


def test_a_published_chapter_that_is_no_longer_one_hinders_no_later_edition(finished, tmp_path):
    made = publish(str(SMOKE), finished, tmp_path / "results")
    gone = made.folder / "simulated/notebooks/renamed.ipynb"
    gone.parent.mkdir(exist_ok=True)
    gone.write_text("{}")
    assert publish(str(SMOKE), finished, tmp_path / "results").results == made.results
    assert not gone.exists()


def test_an_edition_of_which_rows_lack_seeds_or_are_missing_can_be_read(tmp_path):
    whole = edition_folders("simulated")[0]
    half, settings = tmp_path / whole.name, tmp_path / whole.name / f"{whole.name}.yaml"
    shutil.copytree(whole, half, ignore=shutil.ignore_patterns("*.npz", "models", "notebooks"))
    seeds = Profile.read(settings).seeds
    settings.write_text(settings.read_text().replace(f"seeds: {[*seeds]}", f"seeds: {[*seeds, 99]}"))
    for result in half.glob("simulated/quality__siamese-resnet18-scratch__seed*.json"):
        result.unlink()
    rows = trained_rows(published("simulated", tmp_path))
    assert rows["single-resnet18-scratch"].seeds == [*seeds]
    assert rows["siamese-resnet18-scratch"].reason == "not published yet"
    lines = table_3(rows, "validation").set_index("model")
    assert rows["single-resnet18-scratch"].title in lines.index and lines["learnt?"].iloc[-1] == "–"


@pytest.mark.parametrize("profile", sorted(PLACE.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_an_edition_in_the_repository_is_of_one_state_of_the_code(profile):
    """However its files came there: `make publish` refuses several states, a copy by hand does not."""
    results = [read_json(file) for file in profile.parent.glob("*/*.json")]
    states = {code_of(result["provenance"]) for result in results}
    assert len(results) > 10 and len(states) == 1 and "+" not in states.pop()


# Every printed table follows from the scores


def test_the_tables_of_the_small_study_follow_from_its_scores(finished, tmp_path):
    publish(str(SMOKE), finished, tmp_path / "results")
    for cohort in ("simulated", "hc18"):
        edition = published(cohort, tmp_path / "results")
        assert edition or cohort == "hc18"  # which a machine may lack
        if edition:
            require_derived(edition)


@pytest.mark.parametrize("cohort", ["simulated", "hc18", "hc18-early"])
def test_the_published_tables_follow_from_their_scores(cohort):
    edition = published(cohort)
    if not edition:
        pytest.skip(f"no edition on {cohort} in {PLACE}")
    require_derived(edition)


def require_derived(edition):
    """Count and average anew, with plain pandas and scikit-learn, whatever the edition prints."""
    rows = {row.title: row for row in trained_rows(edition).values()}
    require_held_out(edition)
    for row in rows.values():
        require_threshold(row)
    if not edition.can_read("classification"):  # published half-way, without its chapters
        return
    tables = edition.result("classification")["tables"]
    for threshold, lines in tables.items():
        for line in lines:
            if line["model"] in rows:
                require_row(line, rows[line["model"]], threshold)
            else:
                assert line[CONFUSION] == "not run"  # a row of which the edition's profile runs none
    scores = edition.table("gestational_age")
    for cases, lines in edition.result("gestational_age")["errors"].items():
        for line in lines:
            part = scores[(scores["model"] == line["model"]) & (scores["threshold"] == line["threshold"])]
            require_errors(line, part[part["test"]] if cases == "test set" else part, edition.scheme.symbol)
    if edition.path("results/baselines.csv").is_file():  # an edition may be older than the sceptic's chapters
        require_scores(edition)
    first = edition.seeded("review")
    review, criteria = edition.table(first), edition.result(first)["criteria"]
    assert criteria["masks"]["poor at site B"] == (~review.query("site == 'B'")["good"]).sum()


def require_held_out(edition):
    """Nobody is judged whom a network was trained on: patients are counted, and not what a notebook says of them."""
    share, folder = edition.profile.validation, edition.path("results/")  # an edition's own folder; "results" is none
    for path in folder.glob("segmentation__*.json"):
        result = json.loads(path.read_text())
        at_a = pd.read_csv(path.with_suffix(".csv"), dtype={"patient": str}).query("site == 'A'")
        seen = at_a.loc[at_a["fold"] != result["best_fold"], "patient"]
        trained_on = (~seen.isin(patients_held_out(seen, share, edition.seed))).sum()
        learnt = result["learnt"]
        assert learnt["samples"] / learnt["epochs"] == pytest.approx(trained_on), path
    judging = list(folder.glob("quality__*[0-9].csv"))
    if not judging:  # published half-way: there may be no review yet
        assert not edition.can_read("classification")
        return
    review = edition.table(edition.seeded("review"))
    held_out = patients_held_out(review.loc[review["site"] == "A", "patient"], share, edition.seed)
    for path in judging:
        table = pd.read_csv(path, dtype={"patient": str})
        judged = set(table.loc[table["set"].str.endswith(", validation"), "patient"])
        assert judged <= held_out and (judged or table.empty), path


def patients_held_out(patients, share, seed):
    """Those who train nothing, as the docstring of ``Cohort.split`` has it."""
    order = patient_order(patients, seed)
    return set(order[: min(max(round(share * len(order)), 1), len(order) - 1)])


def require_threshold(row: TrainedRow):
    """The threshold of a training is chosen on masks of site A, of the kind that it learnt from."""
    for table, result in zip(row.tables if row.row else (), row.results, strict=False):
        recipe = RECIPES[row.row.recipe]
        known = table[table["set"].isin(own_sets(recipe))]
        chosen = best_threshold(known[recipe.truth], known["probability"])
        assert result["thresholds"]["validation"] == pytest.approx(chosen, abs=2e-6), row.title


def require_scores(edition):
    """The sceptic's tables against the scores of the cases."""
    table = edition.table("baselines")
    right = {"review": table["good"], "|error| ≤ 5 mm": table["delta_mm"].abs() <= 5}
    for line in edition.result("baselines")["lines"]:
        for question, truth in right.items():
            if truth.nunique() == 2:
                found = sk.roc_auc_score(truth, table[line["score"]])
                assert float(line[f"AUROC,\n{question}"].split()[0]) == pytest.approx(found, abs=6e-4)
    if not edition.path("results/unseen.csv").is_file():  # published half-way
        return
    unseen = edition.table("unseen")
    titles = {kind.title: name for name, kind in UNSEEN.items()}
    for line in edition.result("unseen")["noticed"]:
        for column, shown in line.items():
            if column.startswith("AUROC"):
                full = (unseen["name"] == titles[column.split("\n")[1]]) & (unseen["severity"] == 1)
                part = unseen[full | (unseen["name"] == "none")]
                found = sk.roc_auc_score(part["name"] == "none", part[line["model"]])
                assert float(shown.split()[0]) == pytest.approx(found, abs=6e-4)


def require_row(line: dict, row: TrainedRow, threshold: str):
    """One line of Table 3 against the scores of its trainings."""
    if line[CONFUSION] in ("not run", "no test set"):
        assert not row.tables or not row.tables[0]["test"].any()
        return
    counts, figures = [], []
    for table, result in zip(row.tables, row.results, strict=True):
        drawn = table[table["test"].astype(bool) & (table["set"] == AT_B)]
        good, called = drawn["good"].astype(bool), drawn["probability"] >= result["thresholds"][threshold]
        counts.append(sk.confusion_matrix(good, called, labels=[True, False]).ravel())
        precision = sk.precision_score(good, called, zero_division=np.nan)
        figures.append([precision, sk.accuracy_score(good, called), sk.roc_auc_score(good, drawn["probability"])])
    shown = [float(text) for text in re.findall(r"[\d.]+", line[CONFUSION].partition("\none class")[0])]
    np.testing.assert_allclose(shown, np.mean(counts, axis=0), atol=0.051)
    for title, value in zip(("precision", "accuracy", "AUROC"), np.mean(figures, axis=0), strict=True):
        if not np.isnan(value):
            assert float(line[title].split()[0]) == pytest.approx(value, abs=6e-4), (line["model"], title)
        else:
            assert line[title] == "–"


def require_errors(line: dict, part: pd.DataFrame, symbol: str):
    """One line of Table 2, upper half, against the errors of the masks called poor and good."""
    for column, title in (("delta_mm", f"|Δ{symbol}| mm"), ("delta_days", "|ΔGA| days")):
        for verdict in ("poor", "good"):
            value = part.loc[part["verdict"] == verdict, column].abs().mean()
            shown = line[f"{title}\n{verdict}"]
            assert shown == "–" if np.isnan(value) else float(shown.split()[0]) == pytest.approx(value, abs=6e-3)
