"""Each structure and request number is what the C compiler makes of linux/videodev2.h."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from hw.capture import v4l2_abi as abi

STRUCTURES = {
    abi.Capability: "struct v4l2_capability",
    abi.FmtDesc: "struct v4l2_fmtdesc",
    abi.PixFormat: "struct v4l2_pix_format",
    abi.PlanePixFormat: "struct v4l2_plane_pix_format",
    abi.PixFormatMplane: "struct v4l2_pix_format_mplane",
    abi.Format: "struct v4l2_format",
    abi.RequestBuffers: "struct v4l2_requestbuffers",
    abi.Plane: "struct v4l2_plane",
    abi.TimeCode: "struct v4l2_timecode",
    abi.Buffer: "struct v4l2_buffer",
    abi.CaptureParm: "struct v4l2_captureparm",
    abi.StreamParm: "struct v4l2_streamparm",
    abi.Input: "struct v4l2_input",
    abi.BtTimings: "struct v4l2_bt_timings",
    abi.DvTimings: "struct v4l2_dv_timings",
    abi.EventSubscription: "struct v4l2_event_subscription",
    abi.Event: "struct v4l2_event",
    abi.FrmSizeStepwise: "struct v4l2_frmsize_stepwise",
    abi.FrmSizeEnum: "struct v4l2_frmsizeenum",
    abi.Edid: "struct v4l2_edid",
}
C_NAMES = {  # unions without a name there
    ("struct v4l2_frmsizeenum", "u"): "discrete",
    ("struct v4l2_dv_timings", "u"): "bt",
}
REQUESTS = [
    "QUERYCAP ENUM_FMT G_FMT S_FMT REQBUFS QUERYBUF QBUF DQBUF STREAMON STREAMOFF G_PARM S_PARM ENUMINPUT G_INPUT",
    "G_EDID S_EDID ENUM_FRAMESIZES S_DV_TIMINGS DQEVENT SUBSCRIBE_EVENT QUERY_DV_TIMINGS",
]
CONSTANT_PREFIXES = ("CAP_", "BUF_", "MEMORY_", "IN_", "DV_", "EVENT_", "FIELD_", "COLORSPACE_", "YCBCR_", "QUANTIZ")
CONSTANT_PREFIXES += ("PIX_FMT_PRIV", "FRMSIZE_", "FRMIVAL_")


def c_values(expressions: list[str], folder: Path) -> list[int]:
    source = folder / "values.c"
    lines = "\n".join(f'printf("%llu\\n", (unsigned long long)(unsigned int)({text}));' for text in expressions)
    source.write_text(
        "#include <stdio.h>\n#include <stddef.h>\n#include <linux/videodev2.h>\n" + "int main(void) {" + lines + "}"
    )
    subprocess.run(["gcc", "-o", folder / "values", source], check=True, capture_output=True, text=True)
    run = subprocess.run([folder / "values"], check=True, capture_output=True, text=True)
    return [int(line) for line in run.stdout.split()]


def test_the_layouts_are_the_headers(tmp_path: Path) -> None:
    ours: dict[str, int] = {}
    for structure, name in STRUCTURES.items():
        ours[f"sizeof({name})"] = ctypes.sizeof(structure)
        for field, *_ in structure._fields_:
            c_field = C_NAMES.get((name, field), field)
            ours[f"offsetof({name}, {c_field})"] = getattr(structure, field).offset
    theirs = dict(zip(ours, c_values(list(ours), tmp_path), strict=True))
    assert theirs == ours


def test_the_numbers_are_the_headers(tmp_path: Path) -> None:
    ours = {f"VIDIOC_{name}": getattr(abi, name) for name in " ".join(REQUESTS).split()}
    constants = [name for name in vars(abi) if name.startswith(CONSTANT_PREFIXES)]
    assert len(constants) > 40
    ours |= {f"V4L2_{name}": getattr(abi, name) for name in constants}
    theirs = dict(zip(ours, c_values(list(ours), tmp_path), strict=True))
    assert theirs == ours


@pytest.mark.parametrize(("text", "number"), [("GREY", 0x59455247), ("NV12", 0x3231564E)])
def test_fourcc(text: str, number: int) -> None:
    assert abi.fourcc(text) == number
