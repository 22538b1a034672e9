"""How long appends stall when a member of the writers' group leaves, is killed or freezes, on the embedded servers.

    .venv/bin/python benchmarks/take_over.py                     # some 15 minutes
    .venv/bin/python benchmarks/take_over.py --rounds 1 --session 2

Two processes share four partitions under load, then one is left. A stall is the longest time in which nobody
acknowledged anything in one partition, and of all partitions the longest; before the fault, and from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise, product
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from aion_service.embedded.stack import embedded_stack
from benchmarks.append import DIRECTORY, say
from tests.faults.group_scene import PARTITIONS, GroupScene, now_s, partition_of_call
from tests.faults.recorded_calls import ACKNOWLEDGED, read_calls
from tests.faults.write_scene import WriterProcess

QUIET_S = 3.0
ALL = set(range(PARTITIONS))


def leaves(scene: GroupScene, member: WriterProcess) -> None:
    """In order."""
    scene.leave(member)


def is_killed(scene: GroupScene, member: WriterProcess) -> None:
    """kill -9."""
    scene.members.remove(member)
    member.kill()


def freezes(scene: GroupScene, member: WriterProcess) -> None:
    """SIGSTOP, and it doesn't go on."""
    scene.members.remove(member)
    member.signal(signal.SIGSTOP)


Fault = Callable[[GroupScene, WriterProcess], None]
FAULTS: Sequence[Fault] = (leaves, is_killed, freezes)


def one_fault(bootstrap_servers: str, fault: Fault, protocol: str, session_s: float) -> tuple[float, float]:
    """The longest stalls before and after it, in seconds."""
    directory = DIRECTORY / "calls"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    prefix = f"bench-{secrets.token_hex(6)}"
    with closing(GroupScene(bootstrap_servers, directory, prefix, random.Random(), protocol, session_s)) as scene:
        victim, survivor = scene.join(), scene.join()
        for member in (victim, survivor):
            scene.await_progress(member)
        began_s = now_s()
        time.sleep(QUIET_S)
        struck_s = now_s()
        fault(scene, victim)
        scene.await_partitions(ALL, now_s())
        times: list[list[float]] = [[] for _ in ALL]
        for call in read_calls(process.record for process in scene.processes):
            if call.outcome == ACKNOWLEDGED and call.count and call.ended_s > began_s:
                times[partition_of_call(call)].append(call.ended_s)
        gaps = [gap for each in times for gap in pairwise(sorted(each))]
        before, after = ([b - a for a, b in gaps if (b > struck_s) is late] for late in (False, True))
        return max(before), max(after)


async def run(rounds: int, sessions_s: Sequence[float]) -> None:
    """All rounds, then the table."""
    directory = DIRECTORY / "servers"
    shutil.rmtree(directory, ignore_errors=True)
    stalls: dict[tuple[str, str, float], list[tuple[float, float]]] = defaultdict(list)
    async with embedded_stack(directory, progress=say) as stack:
        for _, fault, protocol, session_s in product(range(rounds), FAULTS, ("consumer", "classic"), sessions_s):
            measured = await asyncio.to_thread(one_fault, stack.bootstrap_servers, fault, protocol, session_s)
            say(f"{fault.__name__}, {protocol}, {session_s} s: {measured[0]:.2f} s before, {measured[1]:.2f} s after")
            stalls[fault.__name__, protocol, session_s].append(measured)
    shutil.rmtree(directory, ignore_errors=True)
    print("| a member | protocol | session time-out | median stall | longest stall | longest without a fault |")
    print("|---|---|---|---|---|---|")
    for (fault_name, protocol, session_s), measured_all in stalls.items():
        before, after = zip(*measured_all, strict=True)
        times = " | ".join(f"{each:.1f} s" for each in (median(after), max(after), max(before)))
        print(f"| {fault_name.replace('_', ' ')} | {protocol} | {session_s:g} s | {times} |")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--session", type=float, nargs="+", default=(2.0, 10.0), help="seconds")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.rounds, arguments.session))


if __name__ == "__main__":
    main()
