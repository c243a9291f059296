"""What devices say, made by the daemon's own schema: so the console's reading of it is tried on the real thing."""

from typing import Any

from daemon.manage.schema import Case, ClockState, Event, Health, Moment, Picture, State, encode

UTC = "2026-11-24T12:00:00.000Z"
CHALLENGE = "A" * 22
LOG = "B" * 22


def stamp(session: int = 1, seq: int = 1, boot_id: str = "boot-1") -> dict[str, Any]:
    return {
        "boot_id": boot_id,
        "session": session,
        "seq": seq,
        "mono_ns": 1,
        "utc": UTC,
        "clock_state": ClockState.SYNCHRONISED,
    }


def state(status: str = "online", session: int = 1, boot_id: str = "boot-1") -> bytes:
    online = status == "online"
    return encode(
        State(
            **stamp(session, boot_id=boot_id),
            status="online" if online else "offline",
            cause="" if online else "connection lost",
            role="sender",
            host="box",
            version="1",
            challenge=CHALLENGE if online else None,
        )
    )


def health(
    picture: str = "LIVE",
    *,
    in_case: bool = False,
    case_s: int | None = None,
    latency_ms: int | None = 40,
    **path: float,
) -> bytes:
    return encode(
        Health(
            **stamp(),
            uptime_s=10,
            picture=Picture(state=picture, cause="", age_ms=10, latency_ms=latency_ms, latency_bound_ms=2),
            case=Case(active=in_case, for_s=case_s),
            call=None,
            path=path,
            video={},
            voice={},
            machine={"temperature_c": 50.0},
            restarts={},
            spooled=0,
            spool_dropped=0,
        )
    )


def event(number: int, what: str = "picture is LIVE") -> bytes:
    moment = Moment(boot_id="boot-1", mono_ns=1, utc=UTC, clock_state=ClockState.SYNCHRONISED)
    return encode(Event(**stamp(), log=LOG, id=number, what=what, cause="", at=moment))
