"""A noise filter that is given up lets pictures pass as they are, says so, and begins anew."""

import numpy as np

from daemon.picture.relieved_filter import RelievedFilter
from daemon.picture.safe_filter import SafeFilter
from daemon.states import FilterState


def test_while_it_is_given_up_pictures_pass_and_then_it_begins_anew() -> None:
    random = np.random.default_rng(6)
    pictures = [np.clip(random.normal(120, 5, (128, 128)), 0, 255).astype(np.uint8) for _ in range(60)]
    relieved, plain = RelievedFilter(), SafeFilter()
    for picture in pictures[:20]:
        assert np.array_equal(relieved.apply(picture), plain.apply(picture))
    assert relieved.report == plain.report
    relieved.is_given_up = True
    for picture in pictures[20:25]:
        assert relieved.apply(picture) is picture
    assert relieved.report.state is FilterState.SUSPENDED
    assert "processor" in relieved.report.cause
    relieved.is_given_up = False
    anew = SafeFilter()
    for picture in pictures[25:]:
        assert np.array_equal(relieved.apply(picture), anew.apply(picture))
    assert relieved.report == anew.report
