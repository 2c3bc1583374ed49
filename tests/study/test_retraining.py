"""A network whose weights are not here is trained once more, as the study trained it."""

import pytest
from conftest import SMOKE

from fusqa.files import write_json
from fusqa.simulator.cases import simulate
from fusqa.study import retraining
from fusqa.study.results import Study


class Enough(Exception):
    """The training would begin."""


@pytest.mark.parametrize("fold", [0, 1])
def test_a_fold_is_trained_once_more_without_its_own_patients(tmp_path, monkeypatch, fold):
    study, shown = Study(str(SMOKE), "simulated", tmp_path), []
    simulate(study.path("cohorts/A"), "A", 16, 0)
    write_json(study.path("results/segmentation__unet__seed0.json"), {"best_fold": fold})
    write_json(study.path("models/segmentation__unet__seed0/card.json"), {})

    def recorded(network, training, validation, *_):
        shown.extend((training, validation))
        raise Enough

    monkeypatch.setattr(retraining, "train_segmenter", recorded)
    with pytest.raises(Enough):
        retraining.segmenter_network(study, "unet")
    site_a = study.site("A")
    outside = site_a.folds(study.profile.segmentation.folds, study.seed) != fold
    assert sorted(case for part in shown for case in part.table["case"]) == sorted(site_a.table["case"][outside])
    assert not set(shown[0].table["patient"]) & set(shown[1].table["patient"])
