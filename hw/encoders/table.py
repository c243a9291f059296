"""The hardware encoders that are tried, and how each is made immediate.

Options are FFmpeg's, as `ffmpeg -h encoder=NAME` lists them; their meaning: FFmpeg documentation, ffmpeg-codecs,
section "Video Encoders" (QSV Encoders, AMF, NVENC's own `-h` text), and libavcodec's qsvenc.c, nvenc.c, amfenc_h264.c,
v4l2_m2m_enc.c. What all of them get beside that: constant bit rate with a buffer of one image, no B pictures, no
periodic IDR.

H.264 alone: the link carries RFC 6184 and the receiver decodes H.264, so no end has HEVC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One hardware encoder of libavcodec. `device_files`: glob patterns, of which one must be there and be ours."""

    name: str  # of libavcodec's encoder
    maker: str
    device_files: tuple[str, ...]
    device_words: str
    group: str  # whose members may open the device files
    driver_words: str
    missing_signs: tuple[str, ...] = ()  # in libavcodec's message, when the driver is not there
    graphics_vendor: str = ""  # of the device files, as sysfs tells it; empty: any
    options: Mapping[str, str] = field(default_factory=dict)
    changes_rate_live: bool = False  # else a new bit rate costs an IDR


ACCELERATORS = (
    Accelerator(
        "h264_qsv",
        "Intel Quick Sync",
        ("/dev/dri/renderD*",),
        "no graphics device (/dev/dri)",
        "render",
        "Intel's media driver is missing (packages intel-media-va-driver-non-free, libmfx-gen1.2 or libmfx1)",
        ("MFX session",),
        "0x8086",
        options={
            "async_depth": "1",  # one image at a time in the device; each more is an image of delay (default 4)
            "low_delay_brc": "1",  # each image keeps to its share of the bit rate
            "look_ahead": "0",  # the rate control sees no image of the future
            "forced_idr": "1",  # an I picture that we ask for is an IDR
            "scenario": "displayremoting",
            "skip_frame": "no_skip",  # an image in, an access unit out
            "preset": "veryfast",
        },
        changes_rate_live=True,  # qsvenc.c, update_bitrate()
    ),
    Accelerator(
        "h264_nvenc",
        "NVIDIA NVENC",
        ("/dev/nvidiactl", "/dev/nvidia[0-9]*"),
        "no NVIDIA device (/dev/nvidia0)",
        "video",
        "NVIDIA's driver is missing (libcuda.so.1, libnvidia-encode.so.1)",
        ("libcuda", "libnvidia-encode"),
        "",
        options={
            "delay": "0",  # images kept back before one is given out (default: as many as there are surfaces)
            "zerolatency": "1",  # no reordering
            "tune": "ull",
            "preset": "p4",
            "rc": "cbr",
            "rc-lookahead": "0",
            "no-scenecut": "1",
            "forced-idr": "1",
        },
        changes_rate_live=True,  # nvenc.c, reconfig_encoder()
    ),
    Accelerator(
        "h264_amf",
        "AMD AMF",
        ("/dev/dri/renderD*",),
        "no graphics device (/dev/dri)",
        "render",
        "AMD's AMF runtime is missing (libamfrt64.so.1)",
        ("AMF", "amfrt"),
        "0x1002",
        options={
            "usage": "ultralowlatency",
            "latency": "1",
            "async_depth": "1",
            "quality": "balanced",
            "rc": "cbr",
            "enforce_hrd": "1",
            "frame_skipping": "0",  # an image in, an access unit out
            "filler_data": "0",
            "preanalysis": "0",
            "forced_idr": "1",
            "max_b_frames": "0",
        },
    ),
    Accelerator(
        "h264_v4l2m2m",
        "V4L2 memory-to-memory (boards with an encoder in the chip)",
        ("/dev/video*",),
        "no V4L2 encoder (/dev/video*)",
        "video",
        "none of the /dev/video devices encodes H.264",
        ("valid device", "configure encoder"),
        # It has no options of latency: whether it gives each image at once is for `cathlink probe` to find out.
    ),
)


def accelerator(name: str) -> Accelerator | None:
    """The one whose libavcodec name it is."""
    return next((entry for entry in ACCELERATORS if entry.name == name), None)
