"""A rebuild in a process of its own, with a heap as an operator's would have; prints the seconds that it took."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

from aion_projectors.collecting import collecting_rarely
from aion_projectors.logs import describe_log
from aion_projectors.rebuild import Rebuild
from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings

DEADLINE_S = 600.0


def rebuild(settings: ProjectorSettings) -> float:
    """Seconds that a whole rebuild takes, the swap included, and the start of the process not."""
    ended = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, ENVIRONMENT_VARIABLE: settings.to_json()},
        stdout=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=True,
    )
    return float(ended.stdout)


async def run(settings: ProjectorSettings) -> float:
    """The same in this process."""
    work = Rebuild(settings.kafka, settings.dsn, settings.schema_name, await describe_log(settings))
    began = time.perf_counter()
    await work.run(lambda *_: None, resume=False)
    return time.perf_counter() - began


if __name__ == "__main__":
    with collecting_rarely():
        print(asyncio.run(run(ProjectorSettings.from_json(os.environ[ENVIRONMENT_VARIABLE]))))
