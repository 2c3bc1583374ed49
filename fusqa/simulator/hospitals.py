"""The simulated hospitals: their machines, and how their sonographers hold the probe.

What makes one hospital hard for a segmenter trained in another is written here and nowhere else; all of it is chosen.
"""

from dataclasses import dataclass

from fusqa.simulator.machine import Machine, Range


@dataclass(frozen=True)
class Site:
    """A hospital: its machine, and how its sonographers hold the probe.

    Pairs are the ends of uniform distributions, one draw per image.

    Attributes
    ----------
    grid : (int, int)
        Height and width of a stored image in pixels.
    machine : Machine
        What it scans with.
    fill, small : Range, float
        Horizontal extent of the fetus as a share of the image's width; chance that it is only 0.35–0.6.
    tilt_deg, oblique : float
        Standard deviation of the tilt from the horizontal; chance of an uncorrected lie (20–50 degrees).
    flexion_deg, chin_down, chin_up : float
        Standard deviation of neck flexion; chances of a hyper-flexed and a hyper-extended neck.
    prone : float
        Chance that the fetus lies with its face away from the probe.
    plane_mm : float
        Standard deviation of the distance of the slice from the mid-sagittal plane.
    fluid : Range
        Greatest room between fetus and sac wall, in CRL: with little, head and rump touch the wall.
    off_centre, at_edge : float
        How far the fetus may lie off the image's centre, as a share of the free room; chance that one of its ends
        is 0.3–3 mm from the image's edge.
    """

    grid: tuple[int, int]
    machine: Machine
    fill: Range
    small: float
    tilt_deg: float
    oblique: float
    flexion_deg: float
    chin_down: float
    chin_up: float
    prone: float
    plane_mm: float
    fluid: Range
    off_centre: float
    at_edge: float


# A: where everything is trained: a good machine, and sonographers who zoom and correct.
# B: unseen until a study is published: lower frequency, coarse speckle, haze, a flat grey map; a looser hand.
# C: neither of the two: a small portable machine at low frequency, few grey levels between black and white, much haze,
#    and sonographers who seldom zoom. Nothing is trained or tuned here.
# D: the development site, where settings and thresholds that need a second hospital are chosen: as far from A as B is,
#    another way. A high-frequency probe of small radius held close: sharp, harsh, bright, dark in the depth, a veil
#    over the fluid, a strong speckle filter; small fetuses in wide images.
_MACHINES = {
    #                   A                  B               C               D
    "frequency_mhz":    (6.0,               4.0,            2.8,            7.5),
    "pulse_mm":         ((0.13, 0.26),      (0.20, 0.34),   (0.36, 0.50),   (0.13, 0.20)),
    "beam_mm":          ((0.27, 0.50),      (0.55, 0.80),   (0.62, 0.85),   (0.30, 0.44)),
    "focus_mm":         ((25.0, 45.0),      (25.0, 70.0),   (50.0, 90.0),   (15.0, 40.0)),
    "focal_zone_mm":    (30.0,              25.0,           40.0,           20.0),
    "slice_mm":         (0.30,              0.50,           0.60,           0.28),
    "looks":            ((1, 3),            (1, 2),         (1, 1),         (1, 1)),
    "smoothing":        ((0.0, 0.7),        (0.0, 0.4),     (0.0, 0.0),     (0.3, 0.8)),
    "dynamic_range_db": ((38.0, 76.0),      (50.0, 66.0),   (30.0, 38.0),   (34.0, 46.0)),
    "gain_db":          ((-3.0, 5.0),       (-7.0, 3.0),    (-4.0, 3.0),    (-1.0, 7.0)),
    "gamma":            ((1.4, 2.2),        (1.1, 1.6),     (0.8, 1.1),     (1.0, 1.4)),
    "noise_db":         ((-50.0, -38.0),    (-40.0, -28.0), (-34.0, -22.0), (-44.0, -30.0)),
    "clutter_db":       ((-36.0, -26.0),    (-30.0, -20.0), (-30.0, -20.0), (-26.0, -16.0)),
    "veil_db":          ((-34.0, -18.0),    (-24.0, -8.0),  (-20.0, -6.0),  (-18.0, -3.0)),
    "attenuation":      ((0.20, 0.35),      (0.30, 0.55),   (0.35, 0.55),   (0.45, 0.75)),
    "near_db":          ((-12.0, -3.0),     (-9.0, 3.0),    (-3.0, 6.0),    (0.0, 9.0)),
    "tgc_error_db":     (1.5,               3.0,            3.5,            2.5),
    "dropout":          (0.10,              0.20,           0.35,           0.15),
    "probe_mm":         ((45.0, 60.0),      (40.0, 60.0),   (20.0, 30.0),   (12.0, 18.0)),
    "half_angle_deg":   ((30.0, 36.0),      (28.0, 36.0),   (38.0, 44.0),   (48.0, 60.0)),
    "standoff_mm":      ((15.0, 40.0),      (2.0, 25.0),    (5.0, 25.0),    (4.0, 20.0)),
    "overlay":          ("settings column", "ruler right",  "small screen", "ruler left"),
}  # fmt: skip
_HABITS = {
    #              A             B             C             D
    "grid":        ((420, 586),   (344, 480),   (368, 512),   (390, 540)),
    "fill":        ((0.68, 0.84), (0.54, 0.78), (0.50, 0.76), (0.50, 0.74)),
    "small":       (0.04,         0.12,         0.15,         0.12),
    "tilt_deg":    (6.0,          9.0,          16.0,         11.0),
    "oblique":     (0.05,         0.12,         0.25,         0.12),
    "flexion_deg": (6.0,          9.0,          10.0,         8.0),
    "chin_down":   (0.08,         0.14,         0.15,         0.12),
    "chin_up":     (0.12,         0.14,         0.15,         0.12),
    "prone":       (0.05,         0.10,         0.25,         0.14),
    "plane_mm":    (1.3,          2.0,          2.2,          1.7),
    "fluid":       ((0.10, 0.25), (0.06, 0.24), (0.06, 0.22), (0.06, 0.22)),
    "off_centre":  (0.6,          0.9,          1.0,          0.9),
    "at_edge":     (0.05,         0.12,         0.10,         0.08),
}  # fmt: skip


def _hospitals(table: dict[str, tuple]) -> list[dict]:
    """Turn lines of one setting each into the settings of one hospital each."""
    return [dict(zip(table, column, strict=True)) for column in zip(*table.values(), strict=True)]


SITES = {
    name: Site(machine=Machine(**machine), **habits)
    for name, machine, habits in zip("ABCD", _hospitals(_MACHINES), _hospitals(_HABITS), strict=True)
}
