"""One length under several dating equations: how far the ages differ, and what an error of the length does to each.

Tables have one row a length and one column an equation, by its key in :data:`fusqa.biometry.EQUATIONS`. An equation
says nothing outside its range: the place is NaN.
"""

import numpy as np
import pandas as pd

from fusqa.biometry import EQUATIONS, DatingEquation
from fusqa.labels import FETUS, Scheme

__all__ = ["ages", "equations_of", "in_days", "spread"]


def equations_of(scheme: Scheme = FETUS) -> dict[str, DatingEquation]:
    """Equations that date by what `scheme` measures; the scheme's own comes first."""
    fitting = {key: equation for key, equation in EQUATIONS.items() if equation.measurement == scheme.measurement}
    return {scheme.equation: fitting[scheme.equation]} | fitting


def ages(mm: np.ndarray, scheme: Scheme = FETUS) -> pd.DataFrame:
    """Gestational age under each equation.

    Parameters
    ----------
    mm : (n,) float
        Lengths in millimetres; NaN stays NaN.
    scheme : Scheme
        What was measured.

    Returns
    -------
    DataFrame (n, equations)
        Days, NaN outside an equation's range.

    Examples
    --------
    >>> ages([50.0, 70.0])[["intergrowth-21st", "verburg-2008"]].round(1)
       intergrowth-21st  verburg-2008
    0              81.1          81.7
    1              92.2           NaN
    """
    mm = np.asarray(mm, float)
    return pd.DataFrame({key: _within(equation, mm) for key, equation in equations_of(scheme).items()})


def _within(equation: DatingEquation, mm: np.ndarray) -> np.ndarray:
    """Days where the equation holds, NaN elsewhere."""
    low, high = equation.range_mm
    return equation.days(np.where((mm >= low) & (mm <= high), mm, np.nan))


def in_days(mm: np.ndarray, true_mm: np.ndarray, scheme: Scheme = FETUS) -> pd.DataFrame:
    """Error of the gestational age under each equation by an error of the length.

    Parameters
    ----------
    mm, true_mm : (n,) float
        Measured and true lengths in millimetres.
    scheme : Scheme
        What was measured.

    Returns
    -------
    DataFrame (n, equations)
        Age from the measured length minus age from the true one, in days; NaN unless the equation holds for both.

    Examples
    --------
    >>> in_days([61.0], [60.0])["intergrowth-21st"].round(3).item()
    0.556
    """
    return ages(mm, scheme) - ages(true_mm, scheme)


def spread(mm: np.ndarray, scheme: Scheme = FETUS) -> np.ndarray:
    """Days between the smallest and the largest age that the equations give to one length.

    Parameters
    ----------
    mm : (n,) float
        Lengths in millimetres.
    scheme : Scheme
        What was measured.

    Returns
    -------
    (n,) float64
        NaN where fewer than two equations hold: a single one agrees with itself, which says nothing.

    Examples
    --------
    >>> spread([60.0, 110.0]).round(2).tolist()
    [0.65, nan]
    """
    table = ages(mm, scheme)
    return (table.max(axis=1) - table.min(axis=1)).where(table.count(axis=1) >= 2).to_numpy()
