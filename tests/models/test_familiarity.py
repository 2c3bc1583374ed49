"""How unlike the training pairs: against SciPy's own distance and against what is known of normal numbers."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.decomposition import PCA

from fusqa.models.familiarity import COMPONENTS, Familiarity

WIDTH = 40


@pytest.fixture(scope="module")
def drawn():
    """Training, validation and new points of one distribution with unequal spread in every direction."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(WIDTH, WIDTH)) * np.geomspace(3, 0.1, WIDTH)
    points = rng.normal(size=(3000, WIDTH)) @ spread.T + 5
    return torch.from_numpy(np.float32(points)).split(1000)


def test_it_is_mahalanobis_distance_under_the_fitted_covariance(drawn):
    known = Familiarity.fit(drawn[0], drawn[1])
    pca = PCA(COMPONENTS, random_state=0).fit(drawn[0].numpy().astype(float))
    inverse = pca.get_precision()
    expected = [mahalanobis(point, pca.mean_, inverse) for point in drawn[2][:20].numpy()]
    np.testing.assert_allclose(known.distance(drawn[2][:20]), expected, rtol=1e-3)


def test_fewer_pairs_than_features_do_not_change_the_scale():
    """All other directions share the rest of the variance, spanned by pairs or not (Tipping & Bishop 1999)."""
    points = np.float32(np.random.default_rng(0).normal(size=(256, 512)))
    variances = np.linalg.svd(points - points.mean(0), compute_uv=False) ** 2 / 255
    rest = np.sqrt(variances[COMPONENTS:].sum() / (512 - COMPONENTS))
    known = Familiarity.fit(torch.from_numpy(points), torch.from_numpy(points))
    assert float(known.rest) == pytest.approx(rest, rel=0.005)


def test_points_of_the_same_kind_are_spread_evenly_and_others_are_not(drawn):
    known = Familiarity.fit(drawn[0], drawn[1])
    share = np.sort(known.share(drawn[2]))
    assert np.abs(share - np.linspace(0, 1, len(share))).max() < 0.07  # Kolmogorov-Smirnov, p about .01
    assert (known.share(drawn[2] + 30) == 1).all()
    assert (known.share(known.mean[None]) == 0).all()


def test_few_training_pairs_still_have_a_distance_and_two_have_none(drawn):
    known = Familiarity.fit(drawn[0][:4], drawn[1][:5])
    assert np.isfinite(known.share(drawn[2])).all()
    with pytest.raises(ValueError, match="three or more"):
        Familiarity.fit(drawn[0][:2], drawn[1])
