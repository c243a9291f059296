"""A held image is encoded again and again, within an image's bits, until it is fine enough or a new one comes."""

from itertools import pairwise

import numpy as np

from daemon.picture.decode import Decoder
from daemon.picture.encode import ImageEncoder
from daemon.picture.refine import SETTLED_SHARE, STEPS, Refinement
from hw.encoders.x264 import X264Encoder

MS = 1_000_000
RATE_HZ = 10.0
INTERVAL_NS = 100 * MS
IMAGE_BYTES = 1000.0


def note(refinement: Refinement, now_ns: int, *, is_new: bool = False, size_bytes: int = 900) -> None:
    refinement.note_encoded(
        now_ns, is_new=is_new, size_bytes=size_bytes, image_bytes=IMAGE_BYTES, image_rate_hz=RATE_HZ
    )


def test_without_an_image_there_is_nothing_to_refine() -> None:
    assert Refinement().due_ns(0) is None


def test_it_waits_until_the_image_is_held() -> None:
    refinement = Refinement()
    note(refinement, 0, is_new=True)
    assert refinement.due_ns(150 * MS) == 150 * MS


def test_the_steps_come_at_the_pace_of_images() -> None:
    refinement = Refinement()
    note(refinement, 0, is_new=True)
    note(refinement, 150 * MS)
    assert refinement.due_ns(150 * MS) == 150 * MS + INTERVAL_NS


def test_it_ends_when_nothing_is_left_to_send() -> None:
    refinement = Refinement()
    note(refinement, 0, is_new=True)
    note(refinement, 150 * MS, size_bytes=int(SETTLED_SHARE * IMAGE_BYTES) - 1)
    assert refinement.due_ns(150 * MS) is None


def test_it_ends_after_its_steps_and_begins_again_with_a_new_image() -> None:
    refinement = Refinement()
    note(refinement, 0, is_new=True)
    for step in range(STEPS):
        assert refinement.due_ns(0) is not None
        note(refinement, (step + 1) * INTERVAL_NS)
    assert refinement.due_ns(0) is None
    note(refinement, 0, is_new=True)
    assert refinement.due_ns(0) is not None


def test_each_step_is_finer_and_no_larger_than_an_image() -> None:
    random = np.random.default_rng(4)
    images = [np.clip(random.normal(120, 6, (256, 256)), 0, 255).astype(np.uint8) for _ in range(8)]
    encoder, decoder = ImageEncoder(X264Encoder(), "superfast", lossless=False), Decoder()
    bitrate_bps = 1_500_000
    errors, sizes = [], []
    for image in images + [images[-1]] * 6:
        unit = encoder.encode(image, 0, image_rate_hz=15.0, bitrate_bps=bitrate_bps, force_idr=False).data
        errors.append(float(np.abs(decoder.decode(unit).astype(int) - image).mean()))
        sizes.append(len(unit))
    encoder.close()
    held = errors[len(images) - 1 :]
    assert all(later < earlier for earlier, later in pairwise(held))
    assert held[-1] < 0.6 * held[0]
    assert max(sizes[len(images) :]) < 1.3 * bitrate_bps / 15 / 8
