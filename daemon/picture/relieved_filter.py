"""The noise filter of a sender that may have too little time for it."""

from daemon.picture.safe_filter import FilterReport, SafeFilter
from daemon.states import FilterState
from hw.ports import GrayPicture

GIVEN_UP = FilterReport(FilterState.SUSPENDED, "too little processor time")


class RelievedFilter:
    """A SafeFilter that lets pictures pass while `is_given_up`, which any thread may set; it then begins anew."""

    def __init__(self) -> None:
        self.is_given_up = False
        self._filter = SafeFilter()
        self._has_given_up = False

    @property
    def report(self) -> FilterReport:
        """What was done to the newest picture."""
        return GIVEN_UP if self._has_given_up else self._filter.report

    def apply(self, picture: GrayPicture) -> GrayPicture:
        was_given_up, self._has_given_up = self._has_given_up, self.is_given_up
        if self._has_given_up:
            return picture
        if was_given_up:
            self._filter.reset()
        return self._filter.apply(picture)
