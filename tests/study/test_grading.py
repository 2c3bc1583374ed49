"""Masks of graded quality: who draws them, which image gets which, and that they are out of fold and of one network."""

import numpy as np
import pytest
import torch
import yaml

from fusqa.models.drawing import drawn_probability
from fusqa.models.learner import pictures, predict, reproducible
from fusqa.models.plan import Bar
from fusqa.study.grading import draw_grades, graded_predictions, train_grades
from fusqa.study.profile import CohortPlan, Grade, Profile, Segmenter
from fusqa.study.segmentation import train_segmenter

PLAN = Segmenter(size=32, budget=240, rounds=2, batch=4, rate=0.01, arguments={"width": 8})
GRADES = (Grade(share=0.5), Grade(share=0.25, samples=10), Grade(share=0.25, images=2, samples=40))


@pytest.fixture(scope="module")
def trained(eight_cases):
    device = reproducible(0, threads=1)
    return train_grades("unet", *eight_cases.split(0.25, 0), PLAN, GRADES, 0, device, Bar())


def test_early_copies_do_not_change_the_training(eight_cases, trained):
    device = reproducible(0, threads=1)
    model, history, learnt = train_segmenter("unet", *eight_cases.split(0.25, 0), PLAN, 0, device, Bar())
    assert history.equals(trained.history) and learnt == trained.learnt
    again, before = model.state_dict(), trained.model.state_dict()
    assert all(torch.equal(again[name], before[name]) for name in again)


def test_every_grade_is_a_network_of_its_own_and_the_trained_one_is_the_best(eight_cases, trained):
    images, masks = eight_cases.stack(PLAN.size)
    right = [float((predict(model, pictures(images)).argmax(1).numpy() == masks).mean()) for model in trained.by_grade]
    assert trained.by_grade[0] is trained.model
    assert len(set(right)) == 3 and max(right) == right[0]


def test_each_image_draws_one_grade_and_the_shares_are_kept():
    shares = [grade.share for grade in GRADES]
    drawn = draw_grades(200, shares, seed=0)
    assert np.bincount(drawn).tolist() == [100, 50, 50]
    assert drawn.tolist() == draw_grades(200, shares, seed=0).tolist() != draw_grades(200, shares, seed=1).tolist()
    assert len(set(drawn[:20])) == 3  # not in blocks: the grade says nothing about the place in the table
    assert set(draw_grades(7, [1], seed=0)) == {0} and set(draw_grades(7, [0, 1, 0], seed=0)) == {1}


def test_an_image_is_predicted_by_the_network_of_its_grade(eight_cases, trained):
    images = pictures(eight_cases.stack(PLAN.size)[0])
    drawn = draw_grades(len(eight_cases), [grade.share for grade in GRADES], seed=3)
    networks = [trained.by_grade, trained.by_grade[::-1]]
    found, votes = graded_predictions(networks, 0, images, eight_cases, GRADES, drawn, 0.5, site="A")
    assert found.table["case"].tolist() == eight_cases.table["case"].tolist()
    assert found.table["grade"].tolist() == [GRADES[number].title for number in drawn]
    assert (found.table["site"] == "A").all() and found.table["certainty"].between(0, 1).all()
    for row, number in enumerate(drawn):
        for fold, network in enumerate(networks):
            alone = drawn_probability(network[number], images[row : row + 1]).argmax(1)[0].byte().numpy()
            assert (votes[fold, row] == alone).mean() > 0.99  # a batch of another size may round differently
        assert found.small[row].tolist() == votes[0, row].tolist()
        assert found.native[eight_cases.table["case"][row]].shape == eight_cases[row].image.shape


def test_the_trained_network_may_draw_all_masks_of_site_b():
    grades = [{"share": 0.5, "share_b": 1}, {"share": 0.5, "share_b": 0, "samples": 8}]
    plan = CohortPlan(A=8, B=8, segmenters=("unet",), rows=(), grades=grades)
    assert [[grade.share_at(site) for grade in plan.grades] for site in "AB"] == [[0.5, 0.5], [1, 0]]


def test_a_grade_says_who_drew():
    titles = [Grade(share=0.1, **settings).title for settings in ({}, {"samples": 400}, {"images": 8, "samples": 400})]
    assert titles == ["trained to the end", "trained for 400 samples", "trained on 8 images for 400 samples"]


@pytest.mark.parametrize(
    ("grades", "said"),
    [
        ([{"share": 0.5}, {"share": 0.4, "samples": 8}], "at site A are .* their sum must be 1"),
        ([{"share": 0.5, "share_b": 1}, {"share": 0.5, "samples": 8}], "at site B are .* their sum must be 1"),
        ([{"share": 0.5, "images": 3}, {"share": 0.5, "samples": 8}], "the fully trained network"),
        ([{"share": 0.5}, {"share": 0.5}], "give each only once"),
        ([{"share": 0.5}, {"share": 0.5, "smaples": 8}], "smaples"),
    ],
)
def test_a_mixture_that_is_none_is_refused(grades, said):
    with pytest.raises(ValueError, match=said):
        CohortPlan(A=8, B=8, segmenters=("unet",), rows=(), grades=grades)


@pytest.mark.parametrize(("samples", "rounds"), [(1_000_000, 8), (4800, 7)])  # 7 rounds of whole batches end at 4760
def test_a_grade_beyond_the_end_of_a_training_is_refused(tmp_path, samples, rounds):
    settings = yaml.safe_load(Profile.file("quick").read_text(encoding="utf-8"))
    settings["cohorts"]["hc18"]["grades"] = [{"share": 0.5}, {"share": 0.5, "samples": samples}]
    settings["segmenters"]["unet"] |= {"budget": 4800, "rounds": rounds, "batch": 8}
    (tmp_path / "late.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"late.yaml: hc18: grades after \[{samples}\] samples"):
        Profile.read(tmp_path / "late.yaml")
