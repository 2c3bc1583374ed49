"""The table of chapters: what it says of the study, and what it refuses."""

import re

import nbformat
import pytest
import yaml
from conftest import ROOT, SMOKE

from fusqa.study.catalogue import COHORTS
from fusqa.study.chapters import TABLE, read_chapters, result_names, result_of
from fusqa.study.profile import Profile
from fusqa.study.rows import row_named

CHAPTERS = read_chapters()
PROFILE = Profile.read(SMOKE)


def test_every_notebook_is_a_chapter_and_is_named_once_in_the_book():
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert sorted(CHAPTERS) == notebooks
    contents = (ROOT / "_toc.yml").read_text()
    assert [contents.count(f"notebooks/{name}\n") for name in notebooks] == [1] * len(notebooks)


def test_a_chapter_about_fetuses_runs_on_no_heads():
    assert [cohort for cohort in COHORTS if CHAPTERS["dating"].runs_on(cohort)] == ["simulated"]
    assert all(CHAPTERS["risk"].runs_on(cohort) for cohort in COHORTS)


def test_runs_follow_the_profile():
    plan = PROFILE.cohorts["simulated"]
    assert CHAPTERS["risk"].runs(PROFILE, "simulated") == [{}]
    assert CHAPTERS["dating"].runs(PROFILE, "hc18") == []
    assert [run["network"] for run in CHAPTERS["segmentation"].runs(PROFILE, "simulated")] == list(plan.segmenters)
    assert [run["row"] for run in CHAPTERS["quality_model"].runs(PROFILE, "simulated")] == list(plan.rows)
    assert CHAPTERS["risk"].runs(PROFILE, "hc18-early") == []  # which this profile does not have
    assert CHAPTERS["where"].runs(PROFILE, "simulated") == [{}]
    assert CHAPTERS["where"].runs(PROFILE.model_copy(update={"error_map": None}), "simulated") == []
    assert {"segmentation__unet__seed0", "review__seed0", "quality__single-resnet18-scratch__seed0", "risk"} <= set(
        result_names(PROFILE, "simulated")
    )


def test_needs_are_files_of_every_run_that_leaves_one():
    assert CHAPTERS["review"].needed(PROFILE, "simulated", {"seed": 0}) == [
        "cohorts/A/cases.csv",
        "cohorts/B/cases.csv",
        "results/segmentation__unet__seed0.json",
        "results/segmentation__fetal-transunet__seed0.json",
    ]
    assert "models/segmentation__unet__seed0/card.json" in CHAPTERS["own_data"].needed(PROFILE, "simulated", {})


def test_a_row_is_trained_on_the_masks_of_its_own_seed_and_a_comparison_waits_for_all():
    several = PROFILE.model_copy(update={"seeds": (3, 4)})
    needed = CHAPTERS["quality_model"].needed(several, "hc18", {"cohort": "hc18", "row": "any", "seed": "4"})
    made = ["predictions__seed4.npz", "errors__seed4.npz", "results/review__seed4.csv"]
    assert needed == [
        "cohorts/all/cases.csv",
        "altered.npz",
        *made,
        "results/review__seed4.json",
        "results/segmentation__unet__seed4.json",
    ]
    of_all = CHAPTERS["gestational_age"].needed(several, "hc18", {"cohort": "hc18"})
    assert {f"results/review__seed{seed}.csv" for seed in several.seeds} <= set(of_all)


def test_what_leaves_a_need_ran_earlier():
    several = PROFILE.model_copy(update={"seeds": (3, 4)})
    before = CHAPTERS["quality_model"].earlier(several, "hc18", {"row": "single-resnet18-scratch", "seed": "4"})
    assert [(chapter.name, run) for chapter, run in before] == [
        ("altered_masks", {}),
        ("review", {"seed": 4}),
        ("segmentation", {"network": "unet", "seed": 4}),
    ]
    models = CHAPTERS["risk"].earlier(PROFILE, "hc18", {})
    assert ("quality_model", {"row": "single-resnet18-scratch", "seed": 0}) in [(one.name, run) for one, run in models]


def test_settings_are_those_of_the_run():
    key = "single-resnet18-scratch-errors"
    settings = CHAPTERS["quality_model"].settings_of(PROFILE, "simulated", {"row": key, "seed": 0})
    assert settings == {
        "seeds.0": PROFILE.seeds[0],
        "validation": PROFILE.validation,
        f"training.{key}": PROFILE.training(row_named(key)).model_dump(),
        "learnt": PROFILE.learnt.model_dump(),
        "threads": PROFILE.threads,
    }
    # a training on a segmenter's errors learns from all segmenters of its cohort: a restored review asks for the same
    review = CHAPTERS["review"].settings_of(PROFILE, "simulated", {"seed": 0})
    assert review["cohorts.simulated.segmenters"] == PROFILE.cohorts["simulated"].segmenters
    sizes = {"cohorts.hc18.A": 16, "cohorts.hc18.B": 16}
    assert CHAPTERS["cohorts"].settings_of(PROFILE, "hc18", {}) == {"seeds.0": PROFILE.seeds[0]} | sizes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"need": ["cases"]}, "need"),
        ({"per": "model"}, "per"),
        ({"only": "fetuses"}, "runs only on 'fetuses', which is none of .*'fetus'"),
        ({"needs": ["revue"]}, r"needs \['revue'\], which no chapter leaves"),
        ({"settings": ["bugdet"]}, r"names the settings \['bugdet'\], which no profile has"),
    ],
)
def test_a_wrong_line_is_refused_in_words(tmp_path, line, said):
    table = yaml.safe_load(TABLE.read_text())
    table["chapters"]["risk"] = line
    path = tmp_path / "chapters.yaml"
    path.write_text(yaml.safe_dump(table))
    with pytest.raises(ValueError, match=said):
        read_chapters(path)


def test_a_setting_that_a_profile_lacks_is_named():
    chapter = CHAPTERS["risk"].model_copy(update={"settings": ("quality.blurred",)})
    with pytest.raises(ValueError, match="chapter risk: a profile has no setting 'blurred'"):
        chapter.settings_of(PROFILE, "simulated", {})
    chapter = CHAPTERS["risk"].model_copy(update={"settings": ("omitted.rate",)})
    with pytest.raises(ValueError, match="chapter risk: a profile has no setting"):
        chapter.settings_of(PROFILE.model_copy(update={"omitted": None}), "simulated", {})


def test_a_file_beside_a_result_is_known_by_its_name():
    beside = {"quality__single-resnet18-scratch__seed0__maps": "quality__single-resnet18-scratch__seed0"}
    beside |= {"where__calipers": "where", "where": "where", "review__seed4": "review__seed4"}
    assert {name: result_of(name) for name in beside} == beside


def test_notebooks_link_to_chapters_that_are_run_wherever_they_are():
    loose, links = [], 0
    for name, chapter in CHAPTERS.items():
        cells = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for target in re.findall(r"\]\((\w+)(?:\.ipynb)?(?:#[\w-]+)?\)", prose):
            other = CHAPTERS.get(target)
            links += other is not None
            if other and (other.only not in ("", chapter.only) or other.asks not in ("", chapter.asks)):
                loose.append(f"{name} -> {target}")
    assert loose == [] and links > 5
