"""From SDL's events to inputs. Touch screens and pens come as mouse events: SDL makes them of the first finger."""

import ctypes
from typing import Any

from hw.display.panes import Places
from hw.display.sdl_call import sdl2
from hw.display.tool_strip import PlacedButton, command_at
from hw.errors import DeviceError
from hw.overlay import Command, CommandInput, Input, Pane, Phase, PointerInput

KEYS: dict[int, Command] = {
    sdl2.SDLK_f: Command.FREEZE,
    sdl2.SDLK_TAB: Command.SWAP,
    sdl2.SDLK_d: Command.FREEHAND,
    sdl2.SDLK_a: Command.ARROW,
    sdl2.SDLK_o: Command.CIRCLE,
    sdl2.SDLK_l: Command.LINE,
    sdl2.SDLK_c: Command.COLOUR,
    sdl2.SDLK_p: Command.PIN,
    sdl2.SDLK_s: Command.SCALE,
    sdl2.SDLK_u: Command.UNDO,
    sdl2.SDLK_z: Command.UNDO,
    sdl2.SDLK_BACKSPACE: Command.UNDO,
    sdl2.SDLK_x: Command.CLEAR,
    sdl2.SDLK_DELETE: Command.CLEAR,
}
INPUTS_KEPT = 256


class SdlInput:
    """`pump` takes what SDL has; `take` gives what people did since the last time."""

    def __init__(self) -> None:
        self._inputs: list[Input] = []
        self._held: Pane | None = None  # the pane that a drag began in
        self._hovered: Pane | None = None

    def take(self) -> list[Input]:
        inputs, self._inputs = self._inputs, []
        return inputs

    def pump(self, places: Places, buttons: tuple[PlacedButton, ...], pixels_per_point: float) -> bool:
        """True when the window may need drawing. Raises DeviceError when the viewer closed it.

        `pixels_per_point`: pixels of the renderer for one of the window's units, which the mouse has.
        """
        touched = False
        event = sdl2.SDL_Event()
        while sdl2.SDL_PollEvent(ctypes.byref(event)):
            if event.type == sdl2.SDL_QUIT:
                raise DeviceError("display window was closed")
            if event.type == sdl2.SDL_WINDOWEVENT:
                touched = True
                if event.window.event == sdl2.SDL_WINDOWEVENT_CLOSE:
                    raise DeviceError("display window was closed")
            self._note(event, places, buttons, pixels_per_point)
        del self._inputs[:-INPUTS_KEPT]
        return touched

    def _note(self, event: Any, places: Places, buttons: tuple[PlacedButton, ...], scale: float) -> None:
        if event.type == sdl2.SDL_MOUSEMOTION:
            if event.motion.which != sdl2.SDL_TOUCH_MOUSEID:
                sdl2.SDL_ShowCursor(sdl2.SDL_ENABLE)  # hidden on a whole screen until somebody moves a mouse
            self._move((event.motion.x + 0.5) * scale, (event.motion.y + 0.5) * scale, places)
        elif event.type == sdl2.SDL_MOUSEBUTTONDOWN and event.button.button == sdl2.SDL_BUTTON_LEFT:
            self._press((event.button.x + 0.5) * scale, (event.button.y + 0.5) * scale, places, buttons)
        elif event.type == sdl2.SDL_MOUSEBUTTONUP and event.button.button == sdl2.SDL_BUTTON_LEFT:
            self._release((event.button.x + 0.5) * scale, (event.button.y + 0.5) * scale, places)
        elif event.type == sdl2.SDL_WINDOWEVENT and event.window.event == sdl2.SDL_WINDOWEVENT_LEAVE:
            self._leave()
        elif event.type == sdl2.SDL_KEYDOWN and not event.key.repeat:
            command = KEYS.get(event.key.keysym.sym)
            if command is not None:
                self._inputs.append(CommandInput(command))

    def _move(self, x: float, y: float, places: Places) -> None:
        if self._held is not None:
            self._add(Phase.DRAG, self._held, x, y, places)
            return
        pane = places.at(x, y)
        if pane is None:
            self._leave()
        else:
            self._hovered = pane
            self._add(Phase.HOVER, pane, x, y, places)

    def _press(self, x: float, y: float, places: Places, buttons: tuple[PlacedButton, ...]) -> None:
        command = command_at(buttons, x, y)
        if command is not None:
            self._inputs.append(CommandInput(command))
        elif (pane := places.at(x, y)) is not None:
            self._held = self._hovered = pane
            self._add(Phase.PRESS, pane, x, y, places)

    def _release(self, x: float, y: float, places: Places) -> None:
        if self._held is not None:
            self._add(Phase.RELEASE, self._held, x, y, places)
            self._held = None

    def _leave(self) -> None:
        if self._hovered is not None and self._held is None:
            self._inputs.append(PointerInput(Phase.LEAVE, self._hovered, (0.0, 0.0)))
            self._hovered = None

    def _add(self, phase: Phase, pane: Pane, x: float, y: float, places: Places) -> None:
        place = places.of(pane)
        if place is not None:  # the pane may have gone in the middle of a drag
            self._inputs.append(PointerInput(phase, pane, place.in_picture(x, y)))
