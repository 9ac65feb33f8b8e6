"""Films on the machines of a Dask cluster: `python docs/annotate_dask.py SCHEDULER OUTPUT PATH…`.

The films, the output and its folder of parts lie where every machine sees them under the same path. A film is one task;
one whose worker dies is given to another worker, and one that was finished is never read again.
"""

import os
import sys
from functools import partial

from dask.distributed import Client, as_completed

from edgefer.annotate import Job, find, join, work
from edgefer.reader.options import settings_of


def main(scheduler: str, output: str, *paths: str) -> int:
    films = find(map(os.path.abspath, paths))
    job = Job.of(os.path.abspath(output), settings_of(model="edgefer-s"))
    outcomes = []
    with Client(scheduler) as client:
        tasks = client.map(partial(work, job), films.names, pure=False, retries=3)
        for number, (_, outcome) in enumerate(as_completed(tasks, with_results=True), start=1):
            outcomes.append(outcome)
            for line in (f"{number} of {len(tasks)}: {outcome.film}", *outcome.remarks):
                print(line)
    join(outcomes, output)
    for problem in films.problems:
        print(problem)
    return 0 if all(outcome.whole for outcome in outcomes) and not films.problems else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
