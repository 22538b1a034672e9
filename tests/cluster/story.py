"""A cluster on one machine and what it goes through, told as a time line: `make cluster`.

Three brokers, a Postgres primary with two streaming replicas, two writers that share the partitions, three projectors,
and a reading process on each replica. Everything is killed, frozen and cut off in turn, and comes back; in the end
the log must be whole, every answer true, no strong read stale, and the tables equal to the log. Exit code 0 then; 1,
with the time line up to there and everyone's records kept, where something isn't so.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.cluster import faults
from tests.cluster.reader_child import Read
from tests.cluster.scene import Checked, ClusterScene, acknowledged_in, longest_gap_s
from tests.faults.recorded_calls import ACKNOWLEDGED, UNKNOWN, Call
from tests.faults.write_scene import ROOT

DIRECTORY: Final = ROOT / ".aion" / "cluster"
LASTS_S: Final = 6.0
FAULTS: Final = (
    faults.leader_killed,
    faults.leader_frozen,
    faults.leader_cut_off,
    faults.writer_killed,
    faults.writer_frozen,
    faults.writer_cut_off,
    faults.projector_killed,
    faults.projector_frozen,
    faults.projector_cut_off,
    faults.replica_killed,
    faults.replica_frozen,
    faults.replica_cut_off,
)
_BAR: Final = 24


class Chapter(NamedTuple):
    """One fault: when it struck, when its cause was gone, and when everything was served again."""

    name: str
    struck_s: float
    healed_s: float
    served_s: float


def main() -> int:
    """Live through it and tell of it; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="repeats the choices")
    parser.add_argument("--seconds", type=float, default=LASTS_S, help="how long each fault lasts (6)")
    arguments = parser.parse_args()
    print(
        f"seed {arguments.seed}; starting 3 brokers, 3 Postgres servers, 3 projectors, 2 writers, 2 readers", flush=True
    )
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    try:
        began_s = time.monotonic()
        with ClusterScene(DIRECTORY, random.Random(arguments.seed), replicas=2, projectors=3) as scene:
            print(f"everything serves after {time.monotonic() - began_s:.0f} s", flush=True)
            fault = live_and_tell(scene, arguments.seconds)
    except KeyboardInterrupt:
        print("stopped; nothing was decided", file=sys.stderr)
        return 130
    if fault is not None:
        print(f"\nit is not as it has to be: {fault}\nwhat everyone wrote down is in {DIRECTORY}", file=sys.stderr)
        return 1
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    return 0


def live_and_tell(scene: ClusterScene, seconds: float) -> AssertionError | None:
    """Live through all of it, and tell of it, whatever comes; what isn't as it has to be."""
    chapters: list[Chapter] = []
    try:
        chapters.extend(live_through(scene, number, seconds) for number in range(len(FAULTS)))
        scene.await_everyone()
        print("ending the load, reading the whole log, comparing it with every answer and every row", flush=True)
        checked = scene.check()
    except AssertionError as error:
        tell(*scene.recorded(), chapters)
        return error
    tell(checked.calls, checked.answers, chapters)
    tell_verdict(checked)
    return None


def live_through(scene: ClusterScene, number: int, seconds: float) -> Chapter:
    """Let one fault happen, last, and end; returns once all partitions and replicas serve."""
    fault = FAULTS[number](scene)
    struck_s = time.monotonic()
    print(f"{number + 1:>2}/{len(FAULTS)}  {fault.name}", end="", flush=True)
    fault.strike()
    time.sleep(max(seconds, fault.least_s))
    healed_s = time.monotonic()
    fault.heal()
    scene.await_service(healed_s)
    served_s = time.monotonic()
    print(f": all served {served_s - healed_s:.1f} s after its end", flush=True)
    return Chapter(fault.name, struck_s, healed_s, served_s)


def tell(calls: Sequence[Call], answers: Sequence[Sequence[Read]], chapters: Sequence[Chapter]) -> None:
    """Print the time line and the stalls."""
    written = acknowledged_in(calls)
    appends = sorted(moment for moments in written.values() for moment in moments)
    reads = [sorted(r.ended_s for r in of_one if r.head is not None) for of_one in answers]
    began_s, ended_s = appends[0], appends[-1]
    busiest = max(_between(appends, began_s + s, began_s + s + 1) for s in range(int(ended_s - began_s) + 1))
    print("\ntime line: acknowledged appends and strong reads in each second")
    for second in range(int(ended_s - began_s) + 1):
        from_s, to_s = began_s + second, began_s + second + 1
        count = _between(appends, from_s, to_s)
        bar = "█" * round(_BAR * count / busiest)
        read = " ".join(f"{_between(each, from_s, to_s):>4}" for each in reads)
        events = [f"← {c.name}" for c in chapters if from_s <= c.struck_s < to_s]
        events += [f"→ {c.name}: over" for c in chapters if from_s <= c.healed_s < to_s]
        print(f"{second:>4} s {count:>5} {bar:<{_BAR}} reads {read}  {' '.join(events)}".rstrip())
    print("\nstalls: the longest time without an answer, from the fault until all was served again")
    print(
        f"{'fault':<44} {'one partition':>14} {'whole log':>10} "
        + " ".join(f"replica {n + 1}" for n in range(len(reads)))
    )
    for chapter in chapters:
        window = chapter.struck_s, chapter.served_s
        partition = max(longest_gap_s(moments, *window) for moments in written.values())
        cells = " ".join(f"{longest_gap_s(each, *window):>7.1f} s" for each in reads)
        print(f"{chapter.name:<44} {partition:>12.1f} s {longest_gap_s(appends, *window):>8.1f} s {cells}")


def tell_verdict(checked: Checked) -> None:
    """Print what was found in the end."""
    outcomes = checked.outcomes
    print(
        f"\n{outcomes[ACKNOWLEDGED]:,} appends acknowledged, each in the log once, whole and in order; "
        f"{outcomes[UNKNOWN]:,} without an answer, each there whole or absent\n"
        f"{checked.reads:,} strong reads on replicas, none stale\n"
        f"{checked.events:,} events: verify found every table equal to the log"
    )


def _between(moments: Sequence[float], from_s: float, to_s: float) -> int:
    return bisect_left(moments, to_s) - bisect_left(moments, from_s)


if __name__ == "__main__":
    sys.exit(main())
