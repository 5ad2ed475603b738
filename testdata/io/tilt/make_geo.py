"""Writes two_axes.geo: a saved geometry in the layout of mumott, by Python's tarfile and json."""

import io
import json
import math
import os
import tarfile

FOLDER = os.path.dirname(os.path.abspath(__file__))


def about(axis, angle):
    x, y, z = axis
    c, s = math.cos(angle), math.sin(angle)
    d = 1 - c
    return [
        [c + x * x * d, x * y * d - z * s, x * z * d + y * s],
        [y * x * d + z * s, c + y * y * d, y * z * d - x * s],
        [z * x * d - y * s, z * y * d + x * s, c + z * z * d],
    ]


def times(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


inner, outer = [0.0, 0.3, 0.6], [0.0, 0.1, -0.2]
rotations = [times(about((1, 0, 0), o), about((0, 0, -1), i)) for i, o in zip(inner, outer)]
entries = {
    "_rotations": rotations,
    "_j_offsets": [0.5, -1.25, 2.0],
    "_k_offsets": [0.0, 0.75, -0.5],
    "p_direction_0": [0.0, 1.0, 0.0],
    "j_direction_0": [1.0, 0.0, 0.0],
    "k_direction_0": [0.0, 0.0, 1.0],
    "detector_direction_origin": [1.0, 0.0, 0.0],
    "detector_direction_positive_90": [0.0, 0.0, 1.0],
    "two_theta": [0.0],
    "projection_shape": [7, 6],
    "volume_shape": [7, 7, 6],
    "detector_angles": [],
    "full_circle_covered": [True],
    # The last projection was entered as a matrix.
    "_inner_angles": inner[:2] + [None],
    "_outer_angles": outer[:2] + [None],
    "_inner_axes": [[0.0, 0.0, -1.0]] * 2 + [None],
    "_outer_axes": [[1.0, 0.0, 0.0]] * 2 + [None],
    "checksum": 1234567890123456789,
}
with tarfile.open(os.path.join(FOLDER, "two_axes.geo"), "w") as archive:
    for name, value in entries.items():
        document = json.dumps(value).encode()
        header = tarfile.TarInfo(name)
        header.size = len(document)
        archive.addfile(header, io.BytesIO(document))
