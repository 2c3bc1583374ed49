"""Networks whose weights are not on this machine, trained once more for whoever cannot do without them.

A study that goes on from its published edition has scores, masks and maps, and no weights. Few chapters need a network
itself; these train the one that they need, by the study's plan.
"""

from dataclasses import replace

import torch
from torch import nn

from fusqa.models.checkpoints import Card, load_model, read_card, save_model
from fusqa.models.learner import reproducible
from fusqa.models.networks import quality_model
from fusqa.study.pairs import learning_pairs, study_material
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, Row
from fusqa.study.segmentation import contour_level, train_segmenter
from fusqa.study.training import fit_familiarity, learnt_from, model_card, network_arguments, train


def segmenter_network(study: Study, network: str) -> tuple[nn.Module, Card]:
    """Load the best fold's network of a study; where only its card is here, train that fold once more and keep it.

    Trained without the folds before it, it draws other random numbers: it is another training by the same plan, not the
    network that drew the study's masks, and its card says so by its own level and provenance.
    """
    name = study.seeded(f"segmentation__{network}")
    folder = study.need(f"models/{name}/card.json").parent
    if not (folder / "weights.safetensors").is_file():
        plan, seed, fold = study.profile.segmenters[network], study.seed, study.result(name)["best_fold"]
        print(f"The weights of {folder.name} are not published: fold {fold} is trained once more.")
        site_a, device = study.site("A"), reproducible(seed, study.profile.threads)
        fold_of = site_a.folds(study.profile.segmentation.folds, seed)
        parts = site_a.subset(fold_of != fold).split(study.profile.validation, seed)
        model = train_segmenter(network, *parts, plan, seed, device, study.profile.learnt)[0]
        card, level = read_card(folder / "card.json"), contour_level(model, parts[1], plan.size)
        again = replace(card, training={"contour_level": level}, provenance=study.provenance(name, seed))
        save_model(model, folder, again)
    return load_model(folder)


def quality_network(study: Study, row: Row, seed: int) -> tuple[nn.Module, Card]:
    """Load the network of a row; where its weights are not here, train it once more and keep it.

    The threshold and the figures on its card stay those of the study's own training.
    """
    name = row.result(seed)
    folder = study.path(f"models/{name}")
    if not (folder / "weights.safetensors").is_file():
        print(f"The weights of {row.title} are not published: it is trained once more.")
        device = reproducible(seed, study.profile.threads)
        _train_row(study, row, seed, device, name)
    return load_model(folder)


def _train_row(study: Study, row: Row, seed: int, device: torch.device, name: str) -> None:
    """Train a row as the study's notebook does, and save it with its card."""
    recipe, plan, result = RECIPES[row.recipe], study.profile.training(row), study.result(name)
    parts = study.site("A").split(study.profile.validation, study.seed)
    model = quality_model(**network_arguments(row, study.scheme))
    material = study_material(study, recipe.material, seed)
    shown = [learning_pairs(material, part, plan.size) for part in parts]
    train(model, recipe, *shown, plan, seed, device)
    threshold, learnt = result["thresholds"]["validation"], result["learnt"]["verdict"]
    auroc = {at: report["auroc"] for at, report in result["reports"]["validation"].items()}
    lengths, origin = parts[0].table["measure_mm"], study.provenance(name, seed)
    learnt_pairs = learnt_from(recipe, shown[0], seed)
    card = model_card(row, study.scheme, plan.size, threshold, learnt, auroc, learnt_pairs, lengths, origin)
    save_model(model, study.path(f"models/{name}"), card, fit_familiarity(model, recipe, *shown))
