"""Where everything lies in a fetus of 11–14 weeks: tables, no code.

*Fetal coordinates* are fractions of the crown-rump length: ``x`` runs from the rump (0) to the crown (1), ``y`` from
the back (0) to the front. The *head's frame* has its origin in the middle of the head, head radii as unit, the crown
at +u and the face at +v. Shapes were drawn by eye after published mid-sagittal images; all numbers are chosen unless
a source stands beside them.

Tables of organs end with the distances in mm from the mid-sagittal plane between which the organ is seen.
"""

import numpy as np

HEAD_CENTRE = np.array([0.765, 0.225])
HEAD_RADIUS = 0.235
NECK = np.array([0.655, 0.085])  # the head turns about the top of the cervical spine

# Polar outline of the head about its centre: the feature whose size `Build` varies, and its points, degrees from the
# crown over the forehead to the chin and round by the neck and radius in head radii. The forehead bulges, the nose is a
# short bump above a hollow bridge, the lips stand before a receding chin.
HEAD_PROFILE = (
    ("skull", (0, 1.000), (25, 1.005), (50, 1.005)),
    ("forehead", (75, 1.010), (95, 1.020), (110, 1.000)),
    ("skull", (121, 0.945), (129, 0.895), (135, 0.892)),  # last, the bridge of the nose
    ("nose", (141, 0.940), (146, 0.998), (149, 0.990), (153, 0.940)),  # second, its tip
    ("lips", (158, 0.962), (162, 0.955), (165, 0.925), (169, 0.948), (174, 0.905)),  # 165: between them
    ("chin", (180, 0.915), (186, 0.885), (193, 0.800)),
    ("skull", (203, 0.720), (222, 0.820), (243, 0.960)),  # throat to nape
    ("skull", (265, 1.010), (290, 1.015), (315, 1.005), (340, 1.000)),
)
CHIN_DEGREES = 182.0

# The trunk from the back of the rump over the belly to the neck (which lies under the head) and along the back.
TRUNK = (
    (0.030, 0.055), (0.004, 0.110), (0.000, 0.165), (0.030, 0.215),  # rump with the root of the thigh
    (0.090, 0.235), (0.150, 0.262), (0.220, 0.298), (0.295, 0.310),  # belly
    (0.370, 0.290), (0.440, 0.245), (0.500, 0.205),  # breast
    (0.555, 0.175), (0.610, 0.160), (0.680, 0.140),  # neck, inside the head
    (0.690, 0.060), (0.640, 0.012), (0.540, -0.008), (0.430, -0.020), (0.310, -0.024), (0.190, -0.014), (0.095, 0.010),
)  # fmt: skip
BELLY = slice(4, 10)  # the trunk points that a fuller belly pushes forwards
CHEST = np.array([0.485, 0.213])  # where the fluid wedge under the chin ends on the breast
THROAT = np.array([0.630, 0.135])
NAVEL = np.array([0.205, 0.285])  # where the cord leaves the belly

# The maxilla with the hard palate: a bent band inside the face.
PALATE = ((-0.86, 0.22), (-0.76, 0.30), (-0.64, 0.27), (-0.52, 0.12), (-0.45, -0.04), (-0.54, -0.07), (-0.66, 0.08))

# Cavity of the skull in polar form, as HEAD_PROFILE: the vault follows the outline, the base runs from nasion to nape.
CRANIUM = (
    (0, 0.93), (40, 0.93), (80, 0.94), (104, 0.93), (120, 0.84), (138, 0.56), (165, 0.33),
    (200, 0.36), (232, 0.62), (258, 0.88), (285, 0.94), (325, 0.93),
)  # fmt: skip

EVERYWHERE = (0.0, 99.0)
# Close to the mid-sagittal plane the brain stem and the fluid behind it are seen, farther out one lateral ventricle,
# nearly filled by its choroid plexus. Tissue, centre, half axes (head radii), turn in degrees, planes.
HEAD_ORGANS = (
    ("ventricle", (0.08, 0.60), (0.34, 0.19), 62, (0.0, 2.2)),  # front horns
    ("cortex", (0.10, 0.80), (0.48, 0.10), 8, (0.0, 2.2)),
    ("choroid", (0.16, 0.42), (0.20, 0.12), 50, (0.0, 2.2)),
    ("ventricle", (0.42, -0.36), (0.30, 0.12), -42, (0.0, 2.2)),
    ("choroid", (0.34, -0.22), (0.24, 0.08), -40, (0.0, 2.2)),
    ("ventricle", (0.06, 0.60), (0.30, 0.24), 70, (2.2, 99.0)),
    ("ventricle", (0.20, 0.02), (0.70, 0.38), 82, (2.2, 99.0)),  # one lateral ventricle ...
    ("choroid", (0.20, -0.08), (0.55, 0.29), 82, (2.2, 99.0)),  # ... and its plexus
    ("thalamus", (-0.10, 0.05), (0.27, 0.18), 25, (0.0, 3.0)),
    ("ventricle", (-0.07, 0.04), (0.18, 0.022), 25, (0.0, 0.9)),  # third ventricle
    ("thalamus", (-0.30, -0.30), (0.30, 0.13), 55, (0.0, 2.2)),  # mid-brain and brain stem
    ("ventricle", (-0.30, -0.50), (0.25, 0.060), 40, (0.0, 1.8)),  # fourth ventricle: intracranial translucency
    ("choroid", (-0.30, -0.60), (0.20, 0.035), 40, (0.0, 1.8)),
    ("cerebellum", (-0.08, -0.68), (0.20, 0.12), 55, EVERYWHERE),
    ("ventricle", (-0.38, -0.70), (0.20, 0.065), 38, (0.0, 2.6)),  # great cistern
    ("orbit", (-0.40, 0.58), (0.15, 0.12), 0, (2.6, 99.0)),
    ("tongue", (-0.66, -0.04), (0.20, 0.09), 20, (0.0, 3.0)),
)
# Bony lines in the head: ends in the head's frame, planes.
HEAD_BONES = (
    ((-0.53, 0.63), (-0.66, 0.55), (0.0, 1.6)),  # nasal bone, under the skin and parallel to it
    ((-0.80, -0.02), (-0.62, -0.20), EVERYWHERE),  # lower jaw
    ((-0.46, 0.32), (-0.34, -0.04), EVERYWHERE),  # base of the skull
    ((-0.33, -0.08), (-0.46, -0.34), EVERYWHERE),
    ((-0.30, 0.40), (-0.22, 0.30), (2.6, 99.0)),  # roof of the orbit
)
# The skull's plates, degrees along HEAD_PROFILE; between them sutures and fontanelles, which do not echo.
SKULL_PLATES = ((124, 58), (50, -38), (-50, -98))
SKULL_DEPTH = 0.955  # the bone lies under skin and fat

# What lies inside the trunk, in fetal coordinates.
TRUNK_ORGANS = (
    ("lung", (0.460, 0.105), (0.085, 0.070), -15, EVERYWHERE),
    ("heart", (0.435, 0.160), (0.048, 0.038), -35, (0.0, 4.0)),
    ("blood", (0.447, 0.168), (0.022, 0.012), -40, (0.0, 4.0)),
    ("blood", (0.424, 0.148), (0.020, 0.011), -30, (0.0, 4.0)),
    ("liver", (0.310, 0.180), (0.072, 0.095), -8, EVERYWHERE),
    ("muscle", (0.382, 0.150), (0.006, 0.090), 8, EVERYWHERE),  # diaphragm
    ("bowel", (0.195, 0.180), (0.075, 0.075), 10, EVERYWHERE),
    ("stomach", (0.335, 0.120), (0.030, 0.019), -25, (1.0, 99.0)),
    ("blood", (0.255, 0.235), (0.055, 0.006), -48, (0.0, 1.6)),  # umbilical vein
    ("bladder", (0.090, 0.170), (0.026, 0.018), 25, (0.0, 1.8)),
    ("kidney", (0.235, 0.080), (0.048, 0.024), 5, (1.8, 99.0)),
    ("blood", (0.300, 0.066), (0.200, 0.005), 2, (0.0, 1.2)),  # aorta
)
SPINE = ((0.060, 0.105), (0.085, 0.070), (0.160, 0.044), (0.280, 0.030), (0.400, 0.036), (0.510, 0.052), (0.640, 0.086))
VERTEBRAE = 33  # from the neck to the sacrum
SPINE_ROWS = (0.014, -0.011)  # bodies towards the belly, arches towards the back, from the middle of the canal
SPINE_PLANES = (0.0, 2.2)
# Ribs are cut across beside the spine: a row of points along the back.
RIBS = (((0.34, 0.062), (0.57, 0.086)),)
RIB_COUNT = 8
RIB_PLANES = (2.2, 99.0)

# Fluid under the skin of the nape: points of its middle, in fetal coordinates, from the occiput to the upper back.
NAPE = ((0.730, 0.020), (0.690, 0.030), (0.650, 0.034), (0.600, 0.026), (0.540, 0.013), (0.470, 0.003))
NAPE_TURNS = (0.62, 0.72)  # x from which the nape turns with the head: not at all, fully

# Limbs as chains of three segments: root in fetal coordinates, lengths, half thickness at the four joints.
LIMBS = (
    ("leg", (0.070, 0.180), (0.150, 0.135, 0.075), (0.046, 0.034, 0.022, 0.020)),
    ("leg", (0.085, 0.185), (0.150, 0.135, 0.075), (0.044, 0.033, 0.022, 0.020)),
    ("arm", (0.500, 0.170), (0.110, 0.100, 0.040), (0.028, 0.022, 0.015, 0.014)),
    ("arm", (0.485, 0.175), (0.110, 0.100, 0.040), (0.027, 0.021, 0.015, 0.014)),
)
# Mean and standard deviation in degrees of each segment's direction: the first against the axis of the trunk (0 points
# to the head, 90 to the front), the others against the segment before. Hips and knees are bent, hands near the chin.
JOINTS = {"leg": ((78.0, 20.0), (72.0, 28.0), (-78.0, 14.0)), "arm": ((118.0, 22.0), (-72.0, 26.0), (-8.0, 20.0))}
DIGITS = 5
