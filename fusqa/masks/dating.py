"""From a length to the gestational age, by one published equation or by all of them side by side.

Tables have one row per length and one column per equation, named by its key in :data:`EQUATIONS`. Outside its range an
equation says nothing, and the value is NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusqa.masks.labels import FETUS, Scheme


@dataclass(frozen=True)
class GestationalAge:
    """Age of a pregnancy since the last menstrual period.

    Attributes
    ----------
    days : float or (n,) float64
        Estimated age in days.
    sd : float or (n,) float64
        Standard deviation of the estimate in days, NaN where the equation's source gives none.
    """

    days: float | np.ndarray
    sd: float | np.ndarray


def _unknown(mm: np.ndarray) -> np.ndarray:
    """Standard deviation where the source gives none: NaN."""
    return np.full_like(mm, np.nan, dtype=float)


@dataclass(frozen=True)
class DatingEquation:
    """A published equation from a length to the gestational age.

    Attributes
    ----------
    key, title : str
        Key in :data:`EQUATIONS`, and the name in print.
    measurement : str
        "crown-rump length" or "head circumference".
    range_mm : (low, high)
        Lengths in millimetres between which the equation may be used.
    days, sd : callable
        Bare formulas from an array of millimetres to an array of days. They check no range, so that a difference of
        lengths can be expressed in days anywhere; :func:`gestational_age` checks.
    source : str
        Where the equation was published, and where `range_mm` and `sd` come from if not from there.
    """

    key: str
    title: str
    measurement: str
    range_mm: tuple[float, float]
    days: Callable[[np.ndarray], np.ndarray]
    source: str
    sd: Callable[[np.ndarray], np.ndarray] = _unknown


def _hadlock_days(mm: np.ndarray) -> np.ndarray:
    """Hadlock's polynomial is in centimetres and gives the logarithm of weeks."""
    c = mm / 10
    return 7 * np.exp(1.684969 + 0.315646 * c - 0.049306 * c**2 + 0.004057 * c**3 - 0.000120456 * c**4)


_CRL, _HC = "crown-rump length", "head circumference"

EQUATIONS: dict[str, DatingEquation] = {equation.key: equation for equation in (
    DatingEquation(
        "intergrowth-21st", "INTERGROWTH-21st (2014)", _CRL, (15, 95),
        days=lambda mm: 40.9041 + 3.21585 * np.sqrt(mm) + 0.348956 * mm, sd=lambda mm: 2.39102 + 0.0193474 * mm,
        source="Papageorghiou et al., Ultrasound Obstet Gynecol 2014;44:641-648",
    ),
    DatingEquation(
        "robinson-1975", "Robinson & Fleming (1975)", _CRL, (6, 84),
        days=lambda mm: 8.052 * np.sqrt(1.037 * mm) + 23.73, sd=lambda mm: np.full_like(mm, 4.7 / 2, dtype=float),
        source="Robinson & Fleming, Br J Obstet Gynaecol 1975;82:702-710, with Loughna et al. 2009's factor "
        "1.037; range: the lengths at 6 to 14 weeks; SD: half of the ±4.7 days (2 SD) of one measurement",
    ),
    DatingEquation(
        "hadlock-1992", "Hadlock (1992)", _CRL, (2, 121),
        days=_hadlock_days, sd=lambda mm: 0.04 * _hadlock_days(mm),
        source="Hadlock et al., Radiology 1992;182:501-505; SD: half of the ±8 % (2 SD)",
    ),
    DatingEquation(
        "verburg-2008", "Verburg (2008)", _CRL, (20, 65),
        days=lambda mm: 7 * np.exp(1.4653 + 0.001737 * mm + 0.2313 * np.log(mm)),
        source="Verburg et al., Ultrasound Obstet Gynecol 2008;31:388-396",
    ),
    DatingEquation(
        "sahota-2009", "Sahota (2009)", _CRL, (5, 100),
        days=lambda mm: 26.643 + 7.822 * np.sqrt(mm),
        source="Sahota et al., Ultrasound Obstet Gynecol 2009;33:268-273; "
        "range chosen: the lengths at which the equation gives 6 to 15 weeks",
    ),
    DatingEquation(
        "intergrowth-21st-hc", "INTERGROWTH-21st, head (2016)", _HC, (95, 350),
        days=lambda mm: np.exp(0.05970 * np.log(mm) ** 2 + 6.409e-9 * mm**3 + 3.3258),
        source="Papageorghiou et al., Ultrasound Obstet Gynecol 2016;48:719-726; "
        "range chosen: the lengths at which the equation gives 14 weeks to birth",
    ),
)}  # fmt: skip


def gestational_age(mm: float | np.ndarray, equation: str = "intergrowth-21st") -> GestationalAge:
    """Gestational age from a length within the equation's range.

    Parameters
    ----------
    mm : float or array
        Crown-rump length or head circumference in millimetres, whichever the equation uses.
    equation : str
        A key of :data:`EQUATIONS`.

    Returns
    -------
    GestationalAge
        Floats for a number, arrays of the same shape for an array.

    Raises
    ------
    ValueError
        Unknown equation; a length that is not a number; a length outside the equation's range. The message names
        the range, says what to do, and notes when the length looks like centimetres.

    Examples
    --------
    >>> round(gestational_age(60).days, 2)
    86.75
    """
    if equation not in EQUATIONS:
        raise ValueError(f"dating equation {equation!r} is unknown, choose one of {', '.join(EQUATIONS)}")
    chosen = EQUATIONS[equation]
    length = np.asarray(mm, dtype=float)
    low, high = chosen.range_mm
    wrong = ~((length >= low) & (length <= high))  # also true of NaN
    if wrong.any():
        raise ValueError(_range_advice(float(length[wrong].flat[0]), int(wrong.sum()), chosen))
    days, sd = chosen.days(length), chosen.sd(length)
    return GestationalAge(float(days), float(sd)) if length.ndim == 0 else GestationalAge(days, sd)


def _range_advice(value: float, count: int, equation: DatingEquation) -> str:
    """Say why a length cannot be dated and what to do about it."""
    low, high = equation.range_mm
    others = f" (and {count - 1} more)" if count > 1 else ""
    if not np.isfinite(value):
        return f"{equation.measurement} {value}{others} is not a number; leave out what could not be measured"
    said = f"{equation.measurement} {value:g} mm{others} is outside {low:g} to {high:g} mm of {equation.title}"
    if low <= value * 10 <= high:
        return f"{said}: it looks like centimetres, give {value * 10:g} mm"
    return f"{said}: check the pixel spacing, or choose another equation"


def equations_of(scheme: Scheme = FETUS) -> dict[str, DatingEquation]:
    """Equations for what `scheme` measures; the scheme's own equation comes first."""
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
    """Error of the gestational age under each equation that follows from an error of the length.

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
        NaN where fewer than two equations hold: one alone has nothing to differ from.

    Examples
    --------
    >>> spread([60.0, 110.0]).round(2).tolist()
    [0.65, nan]
    """
    table = ages(mm, scheme)
    return (table.max(axis=1) - table.min(axis=1)).where(table.count(axis=1) >= 2).to_numpy()
