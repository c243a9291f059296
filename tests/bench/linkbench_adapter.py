"""cathlink beside its peers in linkbench.

`python -m linkbench.run --extra tests.bench.linkbench_adapter --adapters cathlink,...`

Sender and receiver are the real daemons with a throw-away lab: encrypted, authenticated, two workers each.
CATHLINK_PRESET chooses the x264 preset (default ultrafast, as linkbench's other peers use).
"""

import os
import sys
from pathlib import Path
from typing import Any

from linkbench.adapters.base import Adapter
from linkbench.conditions import CONDITIONS

from provisioning.lab import make_lab

CONDITIONS["C2x5"] = {
    "title": "RTT 20 ms, 5 % random loss each way",
    "base": {"delay_us": 10000, "loss": 0.05},
    "seconds": 10,
}


class Cathlink(Adapter):  # type: ignore[misc]
    name = "cathlink"
    tx_format = rx_format = "gray"
    settle = 1.5
    note = "DTLS-SRTP, FEC, NACK, congestion control; sender and receiver daemons"

    def channels(self, ctx: Any) -> list[dict[str, int]]:
        return [{"a": ctx.port("a"), "b": ctx.port("b"), "r": ctx.port("r")}]

    def _run(self, ctx: Any, role: str, **settings: object) -> list[str]:
        lab = Path(ctx.dir) / "lab"
        if not lab.exists():
            make_lab(lab)
        command = [sys.executable, "-m", "daemon", "run", "--config", str(lab / f"{role}.toml")]
        for key, value in settings.items():
            command += ["--set", f"{key.replace('__', '.')}={value}"]
        return command

    def sender(self, ctx: Any) -> list[str]:
        return self._run(
            ctx,
            "sender",
            link__peer=f"127.0.0.1:{ctx.port('a')}",
            capture__device="raw:-?format=gray8&size=1024x1024&rate=30",
            display__device="none:",
            encoder__bitrate_bps=ctx.kbps * 1000,
            encoder__preset=os.environ.get("CATHLINK_PRESET", "ultrafast"),
        )

    def receiver(self, ctx: Any) -> list[str]:
        return self._run(
            ctx, "receiver", link__listen=f"127.0.0.1:{ctx.port('r')}", display__device="raw:-?format=gray8"
        )


ADAPTERS = [Cathlink()]
