"""Addresses: what is accepted, and that everything else gets one line that helps."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.address import AddressForm, parse_address
from hw.errors import USAGE_EXIT_CODE, DeviceAddressError
from hw.select import CAPTURE_FORMS, DISPLAY_FORMS, capture_device, display_device

FORMS = {
    "file": AddressForm("file:clip.mkv", frozenset({"rate", "size", "loop", "count"}), needs_rest=True),
    "none": AddressForm("none:"),
}
plain_text = st.text(st.characters(exclude_characters="?\0"), min_size=1)
values = st.text(st.characters(exclude_characters="&"), min_size=1)
# Random text alone hardly ever gets past the scheme.
nearly_addresses = st.one_of(
    st.text(),
    st.tuples(
        st.sampled_from(sorted({*CAPTURE_FORMS, *DISPLAY_FORMS})),
        st.sampled_from([":", "", "::", ":-", ":64x48@15", ":127.0.0.1:80"]),
        st.text(),
        st.sampled_from(["", "?", "?format=gray8&size=64x48", "?rate=15", "?output_hz=60&", "?size="]),
        st.text(),
    ).map("".join),
)


@given(plain_text, st.dictionaries(st.sampled_from(["rate", "size", "loop", "count"]), values, min_size=1))
def test_what_is_put_together_comes_apart_again(rest: str, options: dict[str, str]) -> None:
    text = f"file:{rest}?" + "&".join(f"{key}={value}" for key, value in options.items())
    address = parse_address(text, FORMS)
    assert (address.scheme, address.rest, dict(address.options)) == ("file", rest, options)


@given(nearly_addresses)
def test_any_text_is_an_address_or_gets_one_line(text: str) -> None:
    for make in (capture_device, display_device):
        refusal = None
        try:
            make(text)
        except DeviceAddressError as error:
            refusal = error
        if refusal is not None:
            assert len(str(refusal).splitlines()) == 1
            assert refusal.remedy
            assert refusal.exit_code == USAGE_EXIT_CODE


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("clip.mkv", "has no scheme", "file:clip.mkv"),
        ("", "has no scheme", "none:"),
        ("tape:1", "unknown scheme 'tape'", "file:clip.mkv"),
        ("FILE:clip.mkv", "unknown scheme 'FILE'", "file:clip.mkv"),
        ("file:", "nothing stands after file:", "file:clip.mkv"),
        ("file:a\0b", "zero byte", "file:clip.mkv"),
        ("file:a?", "'' is not key=value", "count, loop, rate, size"),
        ("file:a?rate", "'rate' is not key=value", "accepted"),
        ("file:a?rate=", "'rate=' is not key=value", "accepted"),
        ("file:a?=5", "'=5' is not key=value", "accepted"),
        ("file:a?speed=5", "unknown option 'speed'", "count, loop, rate, size"),
        ("file:a?rate=1&rate=2", "rate is given twice", "once"),
        ("none:?a=b", "unknown option 'a'", "no options"),
    ],
)
def test_a_malformed_address_is_refused(text: str, problem: str, remedy: str) -> None:
    with pytest.raises(DeviceAddressError) as caught:
        parse_address(text, FORMS)
    assert problem in caught.value.problem
    assert repr(text) in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "value", ["-1", "+1", "1e3", "1_0", "nan", "inf", "0x5", "١", " 5", "5 ", ".5", "5.", "0.4", "9.1"]
)
def test_numbers_are_plain_and_within_their_limits(value: str) -> None:
    address = parse_address(f"file:a?rate={value}", FORMS)
    with pytest.raises(DeviceAddressError, match=r"rate .* is not good: a number from 0\.5 to 9 "):
        address.number("rate", 1.0, lowest=0.5, highest=9.0)


@pytest.mark.parametrize("value", ["-1", "1.0", "1e3", "٣", "10", "1000000000000000000000"])
def test_whole_numbers_are_whole(value: str) -> None:
    address = parse_address(f"file:a?count={value}", FORMS)
    with pytest.raises(DeviceAddressError, match="a whole number from 0 to 9 "):
        address.whole_number("count", 1, lowest=0, highest=9)


@pytest.mark.parametrize(
    "value", ["64", "64x", "x48", "64X48", "64x48x3", "15x64", "64x8193", "0x0", "064x-48", "64 x 48"]
)
def test_sizes_are_two_sides_within_limits(value: str) -> None:
    with pytest.raises(DeviceAddressError, match="WIDTHxHEIGHT is accepted, each from 16 to 8192"):
        parse_address(f"file:a?size={value}", FORMS).size("size")


def test_good_values_are_given_as_what_they_are() -> None:
    address = parse_address("file:a:b/c d?rate=29.97&size=1920x1080&loop=no&count=7", FORMS)
    assert address.rest == "a:b/c d"
    assert address.number("rate", 1.0, lowest=0.0, highest=100.0) == 29.97
    assert address.size("size") == (1920, 1080)
    assert not address.flag("loop", default=True)
    assert address.whole_number("count", 1, lowest=0, highest=9) == 7
    plain = parse_address("file:a", FORMS)
    assert plain.number("rate", 1.5, lowest=0.0, highest=100.0) == 1.5
    assert plain.flag("loop", default=True)
    assert plain.whole_number("count", 3, lowest=0, highest=9) == 3


@pytest.mark.parametrize(
    "text",
    [
        "v4l2:/dev/video0",
        "v4l2:/dev/video0?format=nv12&range=full&matrix=bt601&interlaced=yes",
        "v4l2:/dev/video0?size=1920x1080&rate=60",
        "raw:-?format=gray8&size=1024x1024&rate=30",
        "raw:/tmp/some.pipe?size=64x48",
        "phantom:64x48",
        "phantom:64x48@7.5?output_hz=60&beam_on_s=8&beam_off_s=2&quanta=60&seed=3",
    ],
)
def test_good_capture_addresses(text: str) -> None:
    capture_device(text).close()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raw:-?format=gray8", "size is missing"),
        ("raw:-?format=rgb24&size=64x48", "format=rgb24 is not known"),
        ("raw:-?size=64x48&range=half", "range=half is not known"),
        ("raw:-?size=64x48&matrix=bt2020", "matrix=bt2020 is not known"),
        ("v4l2:/dev/video0?format=mjpeg", "format=mjpeg is not known"),
        ("raw:-?size=64x48&rate=0", "rate '0' is not good"),
        ("raw:-?size=64x48&rate=1000", "rate '1000' is not good"),
        ("phantom:64x48@", "is not WIDTHxHEIGHT@RATE"),
        ("phantom:64x48@15@15", "is not WIDTHxHEIGHT@RATE"),
        ("phantom:64x48@fast", "pulse rate 'fast' is not good"),
        ("phantom:big@15", "size 'big' is not good"),
        ("phantom:64x48@30?output_hz=15", "output_hz is under the pulse rate of 30"),
        ("phantom:64x48?beam_off_s=-1", "beam_off_s '-1' is not good"),
        ("phantom:64x48?quanta=0", "quanta '0' is not good"),
        ("phantom:64x48?seed=1.5", "seed '1.5' is not good"),
        ("v4l2:/dev/video0?size=big", "size 'big' is not good"),
        ("file:/nowhere/clip.mkv?loop=maybe", "loop=maybe is not known"),
        ("file:/nowhere/clip.mkv", "there is no file '/nowhere/clip.mkv'"),
        ("sdl:", "unknown scheme 'sdl'"),
    ],
)
def test_bad_capture_addresses(text: str, problem: str) -> None:
    with pytest.raises(DeviceAddressError) as caught:
        capture_device(text)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "text",
    [
        "sdl:",
        "sdl:?fullscreen=yes",
        "raw:-?format=gray8",
        "raw:-?format=bgrx",
        "raw:-",
        "web:",
        "web:127.0.0.1:0",
        "web:8080",
        "web:[::1]:80",
        "none:",
    ],
)
def test_good_display_addresses(text: str) -> None:
    display_device(text).close()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sdl:1", "'1' means nothing here"),
        ("sdl:?fullscreen=1", "fullscreen=1 is not known"),
        ("none:x", "'x' means nothing here"),
        ("raw:", "nothing stands after raw:"),
        ("raw:-?format=rgb24", "format=rgb24 is not known"),
        ("web:localhost", "port 'localhost' is not good"),
        ("web:localhost:65536", "port '65536' is not good"),
        ("phantom:64x48", "unknown scheme 'phantom'"),
    ],
)
def test_bad_display_addresses(text: str, problem: str) -> None:
    with pytest.raises(DeviceAddressError) as caught:
        display_device(text)
    assert problem in caught.value.problem


def test_a_device_loads_only_its_own_libraries(tmp_path: Path) -> None:
    program = (
        "import sys; from hw.select import capture_device, display_device;"
        "capture_device('raw:-?size=64x48'); display_device('raw:-'); display_device('none:');"
        "print([name for name in ('av', 'numba', 'pydicom', 'sdl2', 'starlette', 'uvicorn') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    answer = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
