"""Quality networks, autoencoder, segmenter and losses: shapes, what is shared, what is pretrained, what is measured."""

import itertools

import numpy as np
import pytest
import torch

from fusqa.models.backbones import BACKBONES
from fusqa.models.error_mapper import ErrorMapper
from fusqa.models.losses import (
    ErrorMapLoss,
    ReconstructionLoss,
    SegmentationLoss,
    in_layers,
    one_hot,
    soft_dice_loss,
)
from fusqa.models.networks import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TOPOLOGIES,
    Autoencoder,
    GreyLevels,
    anomaly_ratio,
    folded,
    quality_model,
)
from fusqa.models.segmenters import SEGMENTERS, FetalTransUNet
from fusqa.study.rows import SEGMENTER_TITLES as TITLES


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def pair(size=64, batch=2, classes=5):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 1, size, size, generator=generator)
    return image, torch.randint(0, classes, (batch, size, size), generator=generator, dtype=torch.uint8)


def test_grey_levels_are_the_image_twice_and_the_mask():
    labels = torch.tensor([[[0, 1], [2, 4]]], dtype=torch.uint8)
    shown = GreyLevels(5)(torch.full((1, 1, 2, 2), 0.6), labels)
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_STD))
    raw = (shown * std + mean)[0]
    torch.testing.assert_close(raw[:2], torch.full((2, 2, 2), 0.6))
    torch.testing.assert_close(raw[2], torch.tensor([[0, 0.25], [0.5, 1]]))


# two VGG-16 towers, 276 million parameters, say nothing that two others do not
GRID = [(t, b) for t, b in itertools.product(TOPOLOGIES, BACKBONES) if t == "single" or b != "vgg16"]


@pytest.mark.parametrize(("topology", "backbone"), GRID)
def test_every_topology_over_every_backbone_gives_one_logit_per_pair(topology, backbone):
    model = quality_model(topology, backbone, pretrained=False).eval()
    with torch.inference_mode():
        logit = model(*pair())
    assert logit.shape == (2,)
    assert torch.isfinite(logit).all()


def test_siamese_shares_its_tower_and_synergic_has_two():
    single, siamese, synergic = (parameters(quality_model(t, "resnet18", False)) for t in TOPOLOGIES)
    tower = single - 513  # its last layer: 512 features and a bias
    assert siamese == tower + 2 * 512 + 1
    assert synergic == 2 * tower + 2 * 512 + 1


def test_a_siamese_network_is_trained_by_the_statistics_that_judge_it():
    """One batch norm for images and masks: its running statistics are those of both together."""
    torch.manual_seed(0)
    model, (image, mask) = quality_model("siamese", "resnet18", False), pair()
    image, mask = image.repeat(8, 1, 1, 1), mask.repeat(8, 1, 1)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.inference_mode():
        trained = model.train().features(image, mask)
        judged = model.eval().features(image, mask)
    # batches of 16 and 32 maps: variances with and without Bessel's correction differ by a few per cent
    torch.testing.assert_close(trained, judged, rtol=0.1, atol=0.05 * float(judged.abs().max()))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_folded_batch_normalisations_change_no_answer(topology):
    torch.manual_seed(0)
    model, given = quality_model(topology, "resnet18", False), pair(batch=4)
    with torch.inference_mode():
        for _ in range(3):  # running statistics that differ from 0 and 1
            model.train()(*given)
        quick = folded(model.eval())
        torch.testing.assert_close(quick(*given), model(*given), rtol=0, atol=1e-5)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in quick.modules())
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules())
    plain = quality_model(topology, "alexnet", False).eval()
    assert folded(plain) is plain  # nothing to fold, and half a gigabyte of VGG-16 is not copied


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_logit_depends_on_image_and_mask(topology):
    torch.manual_seed(0)
    model = quality_model(topology, "resnet18", False).eval()
    image, mask = pair()
    with torch.inference_mode():
        logit, other_image, other_mask = model(image, mask), model(1 - image, mask), model(image, 4 - mask)
    assert not torch.allclose(logit, other_image)
    assert not torch.allclose(logit, other_mask)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_efficientnet_lite_comes_pretrained_without_a_network(number):
    twice = [quality_model("single", f"efficientnet-lite{number}", pretrained=True) for _ in range(2)]
    scratch = quality_model("single", f"efficientnet-lite{number}", pretrained=False)
    stem = [model.cnn._conv_stem.weight for model in (*twice, scratch)]
    assert torch.equal(stem[0], stem[1])
    assert not torch.equal(stem[0], stem[2])


@pytest.mark.parametrize("arguments", [("double", "resnet18"), ("single", "resnet19")])
def test_an_unknown_name_is_refused_with_the_known_ones(arguments):
    with pytest.raises(KeyError, match=r"resnet18|single"):
        quality_model(*arguments, pretrained=False)


@pytest.mark.parametrize("size", [64, 128, 224])
def test_the_autoencoder_gives_probabilities_of_the_size_it_was_given(size):
    mask = pair(size)[1]
    with torch.inference_mode():
        probability = Autoencoder().eval()(mask)
    assert probability.shape == (2, 5, size, size)
    torch.testing.assert_close(probability.sum(1), torch.ones(2, size, size))


def test_the_autoencoder_has_the_published_layers():
    model = Autoencoder().eval()
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions] == [
        (32, 4, 2), (32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2),
        (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1), (100, 4, 2),
    ]  # fmt: skip
    with torch.inference_mode():
        code = model.layers[: len(convolutions)](one_hot(torch.zeros(1, 256, 256, dtype=torch.uint8), 5))
    assert code.shape == (1, 100, 4, 4)


def test_anomaly_ratio_counts_over_the_union_of_foregrounds():
    mask = torch.zeros(3, 8, 8, dtype=torch.uint8)
    mask[0, :4] = 1
    mask[1, :4] = 1
    rebuilt = torch.zeros(3, 8, 8, dtype=torch.uint8)
    rebuilt[0, :4] = 1  # the same
    rebuilt[1, 2:6] = 1  # half of it moved: 32 pixels differ out of 48
    ratio = anomaly_ratio(mask, one_hot(rebuilt, 2))
    torch.testing.assert_close(ratio, torch.tensor([0.0, 32 / 48, 1.0]))  # both empty: nothing that could be good


SMALL = {
    "unet": {"width": 4},
    "fetal-transunet": {"width": 8, "blocks": (1, 1, 2), "dim": 24, "layers": 2, "heads": 2},
}


@pytest.mark.parametrize("size", [32, 96])
@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_segmenter_gives_logits_for_every_pixel(name, size):
    image = pair(size)[0]
    network = SEGMENTERS[name](5, size, **SMALL[name])
    logits = network(image)
    assert logits.shape == (2, 5, size, size)
    logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_picture_that_cannot_be_halved_is_refused(name):
    with pytest.raises(ValueError, match="take a multiple of 16"):
        SEGMENTERS[name](5, 100, **SMALL[name])


def test_every_segmenter_has_a_title():
    assert set(SEGMENTERS) == set(TITLES)


def test_the_published_transunet_has_the_size_of_r50_vit_b16():
    with torch.device("meta"):
        network = FetalTransUNet(2, 224)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(105.3e6, rel=0.005)
    assert len(network.transformer.layers) == 12 and network.position.shape == (1, 14 * 14, 768)


def test_a_token_of_the_transunet_sees_the_whole_picture():
    torch.manual_seed(0)
    network = FetalTransUNet(2, 256, **SMALL["fetal-transunet"]).eval()
    seen = []
    for transformer in (network.transformer, torch.nn.Identity()):
        network.transformer = transformer
        image = torch.rand(1, 1, 256, 256, requires_grad=True)
        network(image)[0, 1, 4, 4].backward()  # one corner of the answer
        seen.append(bool(image.grad[0, 0, 200:, 200:].abs().sum() > 0))  # and the opposite one of the picture
    assert seen == [True, False]


def test_soft_dice_is_that_of_the_masks_and_ignores_absent_classes():
    target = torch.zeros(1, 8, 8, dtype=torch.uint8)
    target[0, :4] = 1
    predicted = torch.zeros_like(target)
    predicted[0, 2:6] = 1
    hot = one_hot(predicted, 5)  # classes 2 to 4 are in neither
    assert soft_dice_loss(hot, one_hot(target, 5)).item() == pytest.approx(1 - 2 * 16 / 64)
    assert soft_dice_loss(one_hot(target, 5), one_hot(target, 5)).item() == pytest.approx(0, abs=1e-6)


def test_the_truth_loses_less_than_a_wrong_mask():
    mask = pair(16)[1]
    truth, wrong = one_hot(mask, 5), one_hot((mask + 1) % 5, 5)
    assert ReconstructionLoss()(truth, mask) < ReconstructionLoss()(wrong, mask)
    loss = SegmentationLoss.balanced(mask, 5)
    assert loss(20 * truth, mask) < loss(20 * wrong, mask)


# Two images of 2×2 pixels, for losses that are computed here from their definitions: neither term alone, no other share
# of the two and no other weight has the same value.
LABELS = np.array([[[0, 1], [2, 1]], [[0, 0], [1, 0]]], np.uint8)  # class 3 is nowhere
LOGITS = np.array(
    [
        [[[2.0, 0.5], [-1.0, 0.0]], [[0.0, 1.0], [0.5, -0.5]], [[-1.0, 0.3], [0.2, 1.0]], [[-2.0, 0.1], [0.0, -1.0]]],
        [[[0.7, 1.5], [0.4, -0.3]], [[0.2, -1.0], [1.2, 0.6]], [[0.0, -0.5], [0.1, 0.9]], [[1.0, 0.0], [-0.4, 0.2]]],
    ],
    np.float32,
)


def dice_of(probability, truth):
    """Twice the overlap over the sum of both, all images as one volume."""
    return 2 * (probability * truth).sum() / (probability.sum() + truth.sum())


def test_the_segmentation_loss_is_half_weighted_cross_entropy_and_half_dice():
    """DESIGN.md section 2: ½ CE + ½ Dice. Background and the class that is absent have no Dice."""
    weights = np.array([0.5, 1.0, 4.0, 2.0])
    probability = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    own = np.take_along_axis(probability, LABELS[:, None].astype(int), 1)[:, 0]  # of the true class
    entropy = (weights[LABELS] * -np.log(own)).sum() / weights[LABELS].sum()
    dice = np.mean([dice_of(probability[:, label], LABELS == label) for label in (1, 2)])
    loss = SegmentationLoss(weights)(torch.from_numpy(LOGITS), torch.from_numpy(LABELS))
    assert loss.item() == pytest.approx(0.5 * entropy + 0.5 * (1 - dice), rel=1e-4)


def test_the_reconstruction_loss_is_the_mean_squared_error_and_dice():
    """Galati & Zuluaga 2021: the sum of the two; the error is the mean over all pixels of all classes."""
    probability = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    truth = np.stack([LABELS == label for label in range(4)], axis=1)
    squared = ((probability - truth) ** 2).sum() / truth.size
    dice = np.mean([dice_of(probability[:, label], truth[:, label]) for label in (1, 2)])
    loss = ReconstructionLoss()(torch.from_numpy(probability), torch.from_numpy(LABELS))
    assert loss.item() == pytest.approx(squared + (1 - dice), rel=1e-4)


def test_the_loss_of_an_error_map_is_half_cross_entropy_and_half_dice():
    """Layers are structures, and every one of them counts that is wrong somewhere: there is no background."""
    logits = LOGITS[:, :3]
    wrong = np.stack([LABELS >> layer & 1 for layer in range(3)], axis=1).astype(bool)  # the third is nowhere wrong
    probability = 1 / (1 + np.exp(-logits))
    entropy = -np.log(np.where(wrong, probability, 1 - probability)).mean()
    dice = np.mean([dice_of(probability[:, layer], wrong[:, layer]) for layer in (0, 1)])
    loss = ErrorMapLoss()(torch.from_numpy(logits), torch.from_numpy(LABELS))
    assert loss.item() == pytest.approx(0.5 * entropy + 0.5 * (1 - dice), rel=1e-4)


def test_rare_classes_weigh_more_and_the_mean_weight_over_pixels_is_one():
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[0, :8] = 1
    mask[0, :1, :4] = 2
    weights = SegmentationLoss.balanced(mask, 3).weights.numpy()
    assert (np.diff(weights) > 0).all()
    share = np.bincount(mask.numpy().ravel()) / mask.numel()
    assert weights @ share == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(weights / weights[0], (share / share[0]) ** -0.75, rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_an_error_map_has_one_layer_per_structure_and_depends_on_image_and_mask(classes):
    torch.manual_seed(0)
    model = ErrorMapper(classes, 64).eval()
    image, mask = pair(classes=classes)
    with torch.inference_mode():
        logit, other_image, other_mask = model(image, mask), model(1 - image, mask), model(image, classes - 1 - mask)
    assert logit.shape == (2, classes - 1, 64, 64)
    assert not torch.allclose(logit, other_image) and not torch.allclose(logit, other_mask)


def test_bits_hold_one_layer_each():
    layers = torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.3
    bits = torch.from_numpy(np.packbits(layers.numpy(), axis=1, bitorder="little")[:, 0])
    assert torch.equal(in_layers(bits, 4).bool(), layers)


def test_a_map_that_marks_nothing_is_not_content():
    """Few pixels are wrong: a map that marks none has little cross-entropy, and is still far from the best loss."""
    bits = torch.zeros(2, 64, 64, dtype=torch.uint8)
    bits[0, 10:14, 10:14] = 0b01  # structure 1; structure 2 is nowhere wrong, and has no Dice
    right = torch.full((2, 2, 64, 64), -15.0)
    nothing, right[0, 0, 10:14, 10:14] = right.clone(), 15.0
    everything = torch.full_like(right, 15.0)
    losses = [float(ErrorMapLoss()(logits, bits)) for logits in (right, nothing, everything)]
    assert losses[0] < 0.01 and losses[1] > 0.5 and losses[2] > 4
