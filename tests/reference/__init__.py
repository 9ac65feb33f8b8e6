"""Slow, obvious versions of the kernels in NumPy, written from the equations; a family a file."""

from reference.cascade import cascade
from reference.corners import good_corners, shi_tomasi, structure_tensor
from reference.dense import activation, fully_connected, fully_connected_int8, quantised_multiplier
from reference.flow import flow, median_flow
from reference.gradients import gradients, laplacian, sobel
from reference.luma import luma
from reference.resize import crop_resize, stack

__all__ = [
    "activation",
    "cascade",
    "crop_resize",
    "flow",
    "fully_connected",
    "fully_connected_int8",
    "good_corners",
    "gradients",
    "laplacian",
    "luma",
    "median_flow",
    "quantised_multiplier",
    "shi_tomasi",
    "sobel",
    "stack",
    "structure_tensor",
]
