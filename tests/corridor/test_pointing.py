"""A real mouse on the expert's window, and what the operator's screen shows of it: two daemons, two X servers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from daemon.bench import free_udp_port
from hw.display.banner import strip_height
from hw.display.panes import Rect
from hw.display.tool_strip import STRIP_WIDTH, with_tool_strip
from hw.overlay import Command, ToolButton
from provisioning.lab import make_lab
from tests.corridor.rig import UP_LIMIT_S, WatchedDaemon, wait_until
from tests.x_server import HEIGHT, WIDTH, XServer, x_server

pytestmark = pytest.mark.slow

SIDE = 512  # of the picture, which the windows show twice as large
WINDOW = Rect((WIDTH - 1024 - STRIP_WIDTH) // 2, (HEIGHT - 1024 - strip_height(1024)) // 2, 1024 + STRIP_WIDTH, 1024)
TOP = WINDOW.top + strip_height(1024)
YELLOW, CYAN, AMBER = (255, 214, 10), (64, 210, 255), (240, 176, 32)
BUTTONS = 11

Screen = npt.NDArray[np.uint8]


@dataclass
class TwoScreens:
    expert: XServer
    operator: XServer

    def drag(self, *points: tuple[int, int]) -> None:
        """The expert draws; in pixels of the picture."""
        (x, y), *rest = points
        self.expert.mouse("mousemove", *on_screen(x, y), "mousedown", 1)
        for x, y in rest:
            self.expert.mouse("mousemove", *on_screen(x, y))
        self.expert.mouse("mouseup", 1)


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoScreens]:
    tmp_path = tmp_path_factory.mktemp("pointing")
    lab = make_lab(tmp_path / "lab", link_port=free_udp_port())
    for name in ("expert", "operator"):
        (tmp_path / name).mkdir()
    with x_server(tmp_path / "expert") as expert, x_server(tmp_path / "operator") as operator:
        drawn = {"SDL_VIDEODRIVER": "x11", "SDL_RENDER_DRIVER": "software"}
        source = f"capture.device=phantom:{SIDE}x{SIDE}@15?beam_on_s=60&beam_off_s=0"
        receiver = WatchedDaemon(
            lab.receiver_config, "display.device=sdl:", environment={**drawn, "DISPLAY": expert.name}
        )
        sender = WatchedDaemon(
            lab.sender_config, "display.device=sdl:", source, environment={**drawn, "DISPLAY": operator.name}
        )
        try:
            wait_until(lambda: receiver.state == sender.state == "LIVE", "LIVE", UP_LIMIT_S)
            yield TwoScreens(expert, operator)
        finally:
            sender.close()
            receiver.close()


def on_screen(x: int, y: int) -> tuple[int, int]:
    """The screen's pixel in the middle of a pixel of the picture."""
    return WINDOW.left + 2 * x + 1, TOP + 2 * y + 1


def colour_at(server: XServer, x: int, y: int) -> tuple[int, ...]:
    column, row = on_screen(x, y)
    return tuple(int(level) for level in server.screen()[row, column])


def places_of(screen: Screen, colour: tuple[int, int, int]) -> set[tuple[int, int]]:
    """The pixels of the picture that have that colour somewhere."""
    rows, columns = np.nonzero((screen[TOP : TOP + 2 * SIDE, WINDOW.left : WINDOW.left + 2 * SIDE] == colour).all(2))
    return set(zip((columns // 2).tolist(), (rows // 2).tolist(), strict=True))


def button_place(command: Command) -> tuple[int, int]:
    """The middle of a button on the screen."""
    order = list(Command)
    buttons = tuple(ToolButton(each, "") for each in order)
    _, placed = with_tool_strip(Rect(0, 0, WINDOW.width, WINDOW.height), buttons)
    rect = placed[order.index(command)].rect
    return WINDOW.left + rect.left + rect.width // 2, TOP + rect.top + rect.height // 2


def test_the_experts_stroke_stands_on_the_operators_screen_at_the_same_pixels(screens: TwoScreens) -> None:
    screens.drag((100, 120), (150, 120), (200, 120))
    screens.expert.mouse("mousemove", 5, 5)  # the pointer leaves, and its ring with it
    on_line = {(x, 120) for x in range(101, 200)}

    def is_the_same() -> bool:
        theirs = places_of(screens.operator.screen(), YELLOW)
        is_there = on_line <= theirs and {y for _, y in theirs} <= {119, 120, 121}
        return is_there and theirs == places_of(screens.expert.screen(), YELLOW)

    wait_until(is_the_same, "the stroke at the same pixels, and nothing else")
    screens.expert.mouse("mousemove", *button_place(Command.UNDO), "click", 1)
    wait_until(lambda: not places_of(screens.operator.screen(), YELLOW), "undone at both ends")


def test_the_pointer_follows_the_mouse(screens: TwoScreens) -> None:
    for x, y in ((300, 300), (80, 400)):
        screens.expert.mouse("mousemove", *on_screen(x, y))
        wait_until(lambda x=x, y=y: colour_at(screens.operator, x, y) == YELLOW, f"the pointer at {x}, {y}")  # type: ignore[misc]
    assert colour_at(screens.operator, 300, 300) != YELLOW


def test_the_operator_freezes_by_a_touch_and_both_see_it_frozen(screens: TwoScreens) -> None:
    screens.operator.mouse("mousemove", *button_place(Command.FREEZE), "click", 1)

    def is_frozen(server: XServer) -> bool:
        picture = server.screen()[TOP : TOP + 1024, WINDOW.left : WINDOW.left + 1024]
        return int((picture == AMBER).all(2).sum()) > 5000

    wait_until(lambda: is_frozen(screens.operator) and is_frozen(screens.expert), "FROZEN at both ends")
    screens.expert.mouse("mousemove", *button_place(Command.FREEZE), "click", 1)
    wait_until(lambda: not is_frozen(screens.operator) and not is_frozen(screens.expert), "live again at both ends")
