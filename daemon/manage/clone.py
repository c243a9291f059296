"""Is there another device with our identity? Judged from what comes on our own `state` topic. Pure."""

from dataclasses import dataclass

from daemon.manage.schema import State


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """`clone` names another device that is online in our name; `must_repeat_birth`: what is retained is not us."""

    clone: str = ""
    must_repeat_birth: bool = False


def judge_own_state(state: State, boot_id: str, session: int, own_boots: frozenset[str]) -> StateVerdict:
    """`own_boots`: every boot that this disk remembers, the present one among them.

    The last word of an earlier session of ours, or its will that came late, is only out of date.
    """
    if (state.boot_id, state.session) == (boot_id, session):
        return StateVerdict(must_repeat_birth=state.status != "online")
    if state.boot_id in own_boots or state.status != "online":
        return StateVerdict(must_repeat_birth=True)
    return StateVerdict(f"host {state.host}, boot {state.boot_id[:8]}, session {state.session}", must_repeat_birth=True)
