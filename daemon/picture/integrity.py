"""Is the decoded picture the one that was encoded? The two ends of that question, on top of picture.features."""

from daemon.errors import CodecError
from daemon.picture.blocks import BlockContent, block_content
from daemon.picture.features import doubt, features_of, parse_features, serialize_features
from daemon.picture.sei import FEATURES_UUID, user_data, with_user_data
from hw.ports import GrayPicture


def reference_message(content: BlockContent) -> bytes:
    """The reference features of a picture that is being encoded, to stand before all else in its access unit."""
    return with_user_data(b"", FEATURES_UUID, serialize_features(features_of(content)))


def doubt_about(decoded: GrayPicture, access_unit: bytes) -> str:
    """Why `decoded` is not good enough for what was encoded in `access_unit`; empty when it is.

    What cannot be checked is doubtful. Takes 0.5 ms for 1024x1024 pixels on the development machine.
    """
    try:
        sent = parse_features(user_data(access_unit, FEATURES_UUID))
    except CodecError as error:
        return f"the picture cannot be checked: {error}"
    return doubt(sent, features_of(block_content(decoded)))
