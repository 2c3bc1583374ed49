"""Rows of a cohort -> their results, in order, batches of them worked on side by side; few are in memory at a time."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

from fusqa.cohorts.manifest import CaseRow

BATCH = 8  # cases that are read, measured and shown to a network together: few enough to stay in the cache
WORKERS = 8  # most batches at a time: each holds its own images

Result = TypeVar("Result")


def side_by_side(rows: Sequence[CaseRow], work: Callable[[Sequence[CaseRow]], Sequence[Result]]) -> Iterator[Result]:
    """Yield the result of every row, in order; `work` takes a batch of rows and returns as many results.

    PyTorch's threads are shared out: each batch has one worker, which reads, measures and asks the network.
    """
    batches = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
    threads = torch.get_num_threads()
    workers = min(threads, WORKERS, len(batches))
    if workers < 2:  # nothing to do in parallel: the network gets all threads
        for batch in batches:
            yield from work(batch)
        return
    # A thread that reads, measures and judges its own batch waits for no other. Threads that share one forward pass
    # wait for each other at every layer, longer still while one of them reads.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,))
    try:
        waiting = iter(batches)
        ahead = deque(pool.submit(work, batch) for batch in islice(waiting, 2 * workers))
        while ahead:
            done = ahead.popleft().result()
            ahead.extend(pool.submit(work, batch) for batch in islice(waiting, 1))
            yield from done
    finally:
        pool.shutdown(cancel_futures=True)
