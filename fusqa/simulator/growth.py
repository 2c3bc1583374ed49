"""How a fetus changes between 11 and 14 weeks, by its crown-rump length.

The head's share of the length falls, limbs grow faster than the trunk, and bone hardens. Charts of head, abdomen and
long bones over this very range of the crown-rump length (45–84 mm) are von Kaisenberg et al., Ultrasound Obstet
Gynecol 2002;20:564–574, and Salomon et al., Ultrasound Obstet Gynecol 2003;22:63–66; medians of the nuchal
translucency are given by Nicolaides, The 11–13+6 weeks scan, Fetal Medicine Foundation 2004 (1.2 mm at 45 mm, 1.9 mm
at 84 mm). The slopes below are straight lines drawn by us through the range that such charts show; they are chosen.
"""

from dataclasses import dataclass

import numpy as np

CRL_MM = (45.0, 84.0)  # the range in which the crown-rump length dates a pregnancy and is screened


@dataclass(frozen=True)
class Proportions:
    """What a fetus of one length looks like on average.

    Attributes
    ----------
    head : float
        Size of the head, relative to that of the drawing.
    limbs : float
        Length of the limbs, relative to that of the drawing.
    nape_mm : float
        Thickness of the fluid under the skin of the nape.
    bone : float
        How far bone has hardened, from 0 (cartilage) to 1 (as at 14 weeks).
    """

    head: float
    limbs: float
    nape_mm: float
    bone: float


TABLE = {  # at the two ends of CRL_MM
    "head": (1.05, 0.955),  # (biparietal + occipitofrontal diameter) / 2: about .42 and .38 of the length
    "limbs": (0.80, 1.12),  # femur: about .12 and .17 of the length
    "nape_mm": (1.2, 1.9),
    "bone": (0.15, 1.0),
}


def proportions(length_mm: float) -> Proportions:
    """Proportions at a crown-rump length, between the ends of :data:`CRL_MM`; outside them, those of the nearer end."""
    return Proportions(**{name: float(np.interp(length_mm, CRL_MM, ends)) for name, ends in TABLE.items()})
