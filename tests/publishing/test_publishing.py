"""What `make publish` keeps of a study: one state of the code, an edition that grows, chapters made small."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import ROOT, SMOKE, comes_true, publishing
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fusqa.files import write_json
from fusqa.publishing import editions, tools
from fusqa.publishing.binding import bind_edition
from fusqa.publishing.editions import publish
from fusqa.publishing.inserts import profile_table
from fusqa.publishing.shrinking import shrunk
from fusqa.publishing.tools import PublishingError, alone, put_in_place, scratch_in
from fusqa.study.material import load_masks, save_masks
from fusqa.study.profile import Profile
from fusqa.study.results import Study, larger, published
from fusqa.study.results import editions as editions_of
from fusqa.study.rows import row_named
from fusqa.study.shelf import edition_folders

OLD, NEW = "0" * 40, "1" * 40
FIGURE = '<figure class="fusqa-figure"><img src="data:image/webp;base64,UklGRg==" alt="stripes"/></figure>'
ROW, SEGMENTER = "quality__single-resnet18-scratch__seed0", "segmentation__unet__seed0"


def executed(path: Path) -> Path:
    """Write an executed notebook with a figure in both of its forms, a warning, and what Papermill notes."""
    outputs = [
        new_output("display_data", {"text/html": FIGURE, "image/png": "A" * 10_000, "text/plain": "stripes"}),
        new_output("stream", name="stderr", text="a warning"),
        new_output("stream", name="stdout", text="a sentence"),
    ]
    code = new_code_cell("draw()", outputs=outputs, metadata={"tags": ["solution"], "papermill": {"duration": 3}})
    given = new_code_cell('profile = "/somewhere/smoke.yaml"\nseed = 3', metadata={"tags": ["injected-parameters"]})
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "papermill": {"input_path": "/somewhere"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A question?"), code, given], metadata=about), path)
    return path


def result(study: Path, name: str, code: str | None = OLD, **more) -> Path:
    """Write a result with its table and its chapter."""
    place = study / "results" / f"{name}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"provenance": {"commit": f"{NEW}+changes", "code": code}} | more))
    place.with_suffix(".csv").write_text("case\n1\n")
    executed(study / "notebooks" / f"{name.replace('quality__', 'quality_model__')}.ipynb")
    return place


@pytest.fixture
def build(tmp_path) -> Path:
    """Three results of the small profile, of code that was committed, and one of a row that was not run."""
    study = tmp_path / "build/smoke/simulated"
    for name in ("review__seed0", "cohorts", ROW, "edition"):
        result(study, name)
    result(study, "quality__single-resnet18-pretrained__seed0", status="not run", reason="no weights")
    return tmp_path / "build"


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "results"


def names(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_model_of_other_settings_is_not_published_as_of_these(build, place):
    plan = Profile.read(SMOKE).training(row_named("single-resnet18-scratch")).model_dump()
    about = {"row": "single-resnet18-scratch", "status": "run"}
    for budget in (plan["budget"], 2 * plan["budget"]):
        result(build / "smoke/simulated", ROW, plan=plan | {"budget": budget}, **about)
        if budget == plan["budget"]:
            publish(str(SMOKE), build, place)
    with pytest.raises(PublishingError, match=f"simulated/{ROW}.json was trained by other settings than those of"):
        publish(str(SMOKE), build, place)


def test_results_and_chapters_are_published_with_their_profile(build, place):
    made = publish(str(SMOKE), build, place)
    rows = [f"quality__single-resnet18-{start}__seed0" for start in ("pretrained", "scratch")]
    tables = [f"simulated/{name}.{end}" for name in ("cohorts", *rows, "review__seed0") for end in ("csv", "json")]
    chapters = ["cohorts.ipynb", "quality_model__single-resnet18-scratch__seed0.ipynb", "review__seed0.ipynb"]
    wanted = ["smoke.yaml", *tables, *(f"simulated/notebooks/{name}" for name in chapters)]
    assert names(place / "smoke") == sorted(wanted)
    assert made.results == 4 and made.replaced == 0
    assert "simulated/unseen.json" in made.missing and "simulated/edition.json" not in made.missing


def test_an_edition_of_several_states_of_the_code_is_refused_by_name(build, place):
    result(build / "smoke/simulated", "review__seed0", NEW)
    publishes = publishing("publish", SMOKE, "--build", build, "--place", place)
    assert publishes.exit_code == 1
    assert "2 states of the code" in publishes.stderr
    assert f"{NEW[:10]}: simulated/review__seed0.json\n" in publishes.stderr
    assert re.search(rf"{OLD[:10]}: simulated/cohorts.json, .*scratch__seed0.json\n", publishes.stderr)
    assert names(place) == []


@pytest.mark.parametrize("code", [f"{OLD}+changes", None])
def test_results_of_uncommitted_code_are_not_published(build, place, code):
    result(build / "smoke/simulated", "review__seed0", code)
    with pytest.raises(PublishingError, match=r"review__seed0\.json was made from uncommitted code"):
        publish(str(SMOKE), build, place)
    assert names(place) == []


def test_a_second_publication_of_the_same_code_adds_to_the_first(build, place):
    publish(str(SMOKE), build, place)
    first = names(place)
    shutil.rmtree(build)  # the run goes on elsewhere
    result(build / "smoke/simulated", "unseen")
    result(build / "smoke/hc18", "review__seed0")
    made = publish(str(SMOKE), build, place)
    assert made.results == 6 and made.replaced == 0
    assert set(first) < set(names(place))
    assert {"smoke/hc18/review__seed0.json", "smoke/simulated/notebooks/unseen.ipynb"} <= set(names(place))


def test_what_a_killed_publication_left_is_put_right(build, place):
    publish(str(SMOKE), build, place)
    first = names(place)
    (place / ".publishing-killed/before").mkdir(parents=True)
    (place / "smoke").rename(place / ".publishing-killed/before/smoke")  # the moment before the new one takes its name
    shutil.rmtree(build)
    result(build / "smoke/simulated", "unseen")
    publish(str(SMOKE), build, place)
    assert set(first) < set(names(place)) and not list(place.glob(".publishing-*"))


def test_two_do_not_publish_at_once(build, place):
    place.mkdir()
    with alone(place, "publishing"), pytest.raises(PublishingError, match="another call is publishing"):
        publish(str(SMOKE), build, place)
    publish(str(SMOKE), build, place)


def test_two_do_not_bind_one_book_at_once(tmp_path):
    place = tmp_path / "read"
    place.mkdir()
    with alone(place, "reading"), pytest.raises(PublishingError, match=f"another call is binding a book in {place}"):
        bind_edition(None, ROOT, tmp_path)
    assert not list(place.iterdir())


def test_results_of_chapters_that_the_profile_goes_without_are_not_published(build, place):
    result(build / "smoke/simulated", "of_an_earlier_profile")
    publish(str(SMOKE), build, place)
    assert not [name for name in names(place) if "earlier" in name]


def test_what_other_code_or_another_profile_made_is_replaced(build, place, tmp_path):
    publish(str(SMOKE), build, place)
    shutil.rmtree(build)
    result(build / "smoke/simulated", "review__seed0", NEW)
    made = publish(str(SMOKE), build, place)
    assert made.results == 1 and made.replaced == 3
    assert names(place / "smoke/simulated") == [
        "notebooks/review__seed0.ipynb",
        "review__seed0.csv",
        "review__seed0.json",
    ]
    profile = tmp_path / "smoke.yaml"  # the same code, and more images
    profile.write_text(SMOKE.read_text().replace("A: 16", "A: 18"))
    shutil.rmtree(build)
    result(build / "smoke/simulated", "cohorts", NEW)
    assert publish(str(profile), build, place).replaced == 1
    assert published("simulated", place).plan.A == 18


def test_results_from_before_the_state_of_the_code_was_kept_count_by_their_commit(build, place):
    for path in build.rglob("*.json"):
        path.write_text(json.dumps({"provenance": {"commit": OLD}}))
    assert publish(str(SMOKE), build, place).results == 4
    (build / "smoke/simulated/results/review__seed0.json").write_text(json.dumps({"provenance": {"commit": NEW}}))
    with pytest.raises(PublishingError, match="2 states of the code"):
        publish(str(SMOKE), build, place)


def test_editions_lie_side_by_side_and_the_one_with_most_chapters_speaks(build, place, tmp_path):
    publish(str(SMOKE), build, place)
    other = tmp_path / "other.yaml"
    other.write_text(SMOKE.read_text())
    for name in ("review__seed0", "cohorts", "unseen", "risk", "advice"):
        result(build / "other/simulated", name)
    publish(str(other), build, place)
    assert sorted(path.name for path in place.iterdir()) == ["other", "smoke"]
    assert [edition.profile.name for edition in editions_of("simulated", place)] == ["other", "smoke"]
    assert published("simulated", place).profile.name == "other"
    result(build / "smoke/simulated", "risk")
    publish(str(SMOKE), build, place)  # as many: the order of their names decides
    assert published("simulated", place).profile.name == "other"
    result(build / "smoke/hc18", "review__seed0")
    publish(str(SMOKE), build, place)
    assert published("hc18", place).profile.name == "smoke"
    assert published("hc18-early", place) is None


def test_many_trainings_do_not_put_an_edition_before_one_with_more_chapters(place):
    for name, results in (
        ("whole", ["cohorts", "review__seed0", "risk"]),
        ("half", ["cohorts", *(f"quality__row__seed{seed}" for seed in range(9))]),
    ):
        (place / name / "simulated").mkdir(parents=True)
        for file in (f"{name}.yaml", *(f"simulated/{result}.json" for result in results)):
            (place / name / file).touch()
    assert [folder.name for folder in edition_folders("simulated", place)] == ["whole", "half"]


def test_the_larger_of_a_run_and_the_editions_speaks(build, place):
    study = Study(str(SMOKE), build=build)
    assert larger(study, place) is study
    publish(str(SMOKE), build, place)
    assert larger(study, place) is study  # the edition holds less than the study plans
    for number in range(40):
        (place / f"smoke/simulated/more_{number}.json").write_text("{}")
    assert larger(study, place).folder == place / "smoke/simulated"


def test_what_a_training_left_is_published_without_images_and_weights_and_kept(build, place):
    study = build / "smoke/simulated"
    result(study, SEGMENTER)
    masks = {"images": np.ones((3, 8, 8), np.uint8), "masks": np.eye(8, dtype=np.uint8)[None].repeat(3, 0)}
    left = [f"{SEGMENTER}/errors", f"{SEGMENTER}/predictions", f"results/{SEGMENTER}__weaker"]
    for name in left:
        save_masks(study / f"{name}.npz", masks)
    for name in ("card.json", "weights.safetensors"):
        (study / "models" / SEGMENTER / name).parent.mkdir(parents=True, exist_ok=True)
        (study / "models" / SEGMENTER / name).write_text("{}")
    (study / "results" / f"{ROW}__further.csv").write_text("set\n")
    (study / "results/quality__another__seed0__further.csv").write_text("set\n")  # of no row of the profile
    publish(str(SMOKE), build, place)
    edition, first = place / "smoke/simulated", names(place)
    assert sorted(names(edition / SEGMENTER)) == ["errors.npz", "predictions.npz"]
    assert names(edition / "models") == [f"{SEGMENTER}/card.json"]
    assert f"smoke/simulated/{ROW}__further.csv" in first and not any("another" in name for name in first)
    for name, images in zip(left, (0, 3, 0), strict=True):
        kept = load_masks(edition / f"{name.removeprefix('results/')}.npz")
        assert len(kept["images"]) == images and np.array_equal(kept["masks"], masks["masks"])
    shutil.rmtree(build)
    result(build / "smoke/simulated", "unseen")
    publish(str(SMOKE), build, place)
    assert set(first) < set(names(place))


def test_only_small_results_are_published(build, place):
    folder = build / "smoke/simulated/results"
    (folder / "cohorts.png").write_bytes(b"0")
    with pytest.raises(PublishingError, match="neither JSON nor CSV nor NPZ"):
        publish(str(SMOKE), build, place)
    (folder / "cohorts.png").unlink()
    (folder / "review__seed0.csv").write_bytes(bytes(int(editions.LARGEST_MB * 1e6) + 1))
    with pytest.raises(PublishingError, match=f"more than the {editions.LARGEST_MB} MB"):
        publish(str(SMOKE), build, place)
    (folder / "review__seed0.csv").unlink()
    large = place / "another/simulated/notebooks/review__seed0.ipynb"
    large.parent.mkdir(parents=True)
    large.write_bytes(bytes(int(editions.CHAPTERS_MB * 1e6)))
    with pytest.raises(PublishingError, match="remove an older edition"):
        publish(str(SMOKE), build, place)
    assert names(place) == ["another/simulated/notebooks/review__seed0.ipynb"]
    shutil.rmtree(build)
    ended = publishing("publish", SMOKE, "--build", build, "--place", place)
    assert ended.exit_code == 1 and "holds no results; run: make study" in ended.stderr


def test_the_time_of_a_training_is_counted_once(place, tmp_path):
    spent = {"profile": "quick", "peak_mb": 1000, "cpu_seconds": 7200}
    write_json(place / "quick/simulated/review__seed0.json", {"provenance": spent})
    write_json(place / "quick/models/fetus/card.json", {"provenance": spent})
    write_json(place / "quick/book/html/results/simulated/review__seed0.json", {"provenance": spent})
    shown = re.findall(r"<td>([^<]*)</td>", profile_table(ROOT / "profiles", tmp_path / "build", place))
    assert "2.0" in shown and "4.0" not in shown


def test_a_chapter_keeps_what_its_page_shows_and_little_else(tmp_path):
    source = executed(tmp_path / "chapter.ipynb")
    small = nbformat.reads(shrunk(source, "smoke").decode(), as_version=4)
    nbformat.validate(small)
    assert len(shrunk(source, "smoke")) < source.stat().st_size / 5
    assert set(small.metadata) == {"kernelspec"}
    assert small.cells[2].source == 'profile = "smoke"\nseed = 3'
    figure, sentence = small.cells[1].outputs
    assert small.cells[1].metadata == {"tags": ["solution"]} and sentence.text == "a sentence"
    assert figure.data == {"text/html": FIGURE}


def test_a_program_that_does_not_end_is_ended(monkeypatch, tmp_path):
    number = tmp_path / "number"
    for minutes in (0.001, 0.01, 0.1, 1):  # a busy machine may not have begun the program when its time is over
        monkeypatch.setattr(tools, "MINUTES", minutes)
        with pytest.raises(PublishingError, match="the book failed: it was still at work"):
            tools.run(["sh", "-c", f"echo $$ > '{number}'; exec sleep 300"], "the book failed")
        if number.exists() and number.read_text():
            break
    process = int(number.read_text())
    try:
        assert comes_true(lambda: not lives(process), 10), "it is still at work"
    finally:
        if lives(process):
            os.kill(process, signal.SIGKILL)


def lives(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_was_there_is_put_back_where_a_move_fails(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "kept").touch()
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "never made", place, tmp_path / "aside")
    assert [file.name for file in place.iterdir()] == ["kept"]


def test_what_a_killed_call_left_is_removed_and_a_running_one_is_left_alone(tmp_path):
    (tmp_path / ".printing-left").mkdir()
    with alone(tmp_path, "printing"), scratch_in(tmp_path, ".printing-") as scratch:
        assert list(tmp_path.iterdir()) == [scratch]
        with pytest.raises(PublishingError, match="another call is printing"), alone(tmp_path, "printing"):
            pass
        assert scratch.is_dir()
    assert not any(tmp_path.iterdir())
