"""What the picture's kernels are made with (hw.kernel), and the types that they share."""

from numba import types

from hw.kernel import compiled_at_import, kernel

__all__ = ["PICTURE", "PICTURE_IN", "compiled_at_import", "kernel"]

PICTURE = types.Array(types.uint8, 2, "C")
PICTURE_IN = types.Array(types.uint8, 2, "C", readonly=True)  # takes writable ones as well
