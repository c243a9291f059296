"""A display for machines without one: the picture's truth is still assessed and reported, nothing is drawn."""

from hw.ports import Banner, GrayPicture


class NoneDisplay:
    def open(self) -> None:
        pass

    def show(self, picture: GrayPicture | None, banner: Banner, *, is_new: bool) -> None:
        pass

    def close(self) -> None:
        pass
