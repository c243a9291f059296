"""What the hardware tests share: pictures, small clips made on the spot, and waiting on a condition."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage, generate_uid

from hw.ports import GrayPicture
from tests.conftest import WriteClip

MakePictures = Callable[..., list[GrayPicture]]
DEADLINE_S = 10.0


@pytest.fixture
def make_pictures() -> MakePictures:
    """Pictures that all differ, each with the grey levels 0 and 255 in it."""

    def make(count: int, width: int = 64, height: int = 48) -> list[GrayPicture]:
        pictures = np.random.default_rng(7).integers(0, 256, (count, height, width), np.uint8)
        pictures[:, 0, 0], pictures[:, 0, 1] = 0, 255
        return list(pictures)

    return make


@pytest.fixture
def write_dicom(tmp_path: Path) -> WriteClip:
    """A multi-frame XA file. `attributes` are set as given; `encapsulated` are frames that are compressed already."""

    def write(
        frames: np.ndarray[Any, Any],
        *,
        name: str = "clip.dcm",
        syntax: str = ExplicitVRLittleEndian,
        encapsulated: list[bytes] | None = None,
        **attributes: object,
    ) -> Path:
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = XRayAngiographicImageStorage, generate_uid()
        dataset.Modality = "XA"
        dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        bits = frames.dtype.itemsize * 8
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
        dataset.PixelRepresentation = int(frames.dtype.kind == "i")
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = encapsulate(encapsulated) if encapsulated else frames.tobytes()
        dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        path = tmp_path / name
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits on a condition with a deadline."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            threading.Event().wait(0.001)

    return wait


@pytest.fixture
def is_waiting() -> Callable[[threading.Thread], bool]:
    """Whether the thread is inside some `wait` method."""

    def look(thread: threading.Thread) -> bool:
        frame = sys._current_frames().get(thread.ident or 0)
        while frame is not None:
            if frame.f_code.co_name == "wait" and "/hw/" in frame.f_code.co_filename:
                return True
            frame = frame.f_back
        return False

    return look
