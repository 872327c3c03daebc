"""Files into batches of rows: large ones of JSON lines in blocks, by several processes, in the files' order.

The processes are started anew (spawn), so they share nothing with this one. Ctrl-C reaches this one alone, which ends
them; a process whose parent is gone ends itself. When one dies, this process does what is left.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

from entrawatch.hunt.batches import Batch, Rows
from entrawatch.reading import read
from entrawatch.reading.blocks import Block, NotLinesError, blocks, read_block, read_rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from entrawatch.hunt.columns import Column

#: bytes in blocks from which on starting processes pays
WORTH = 64 << 20
#: blocks that are worked on or wait, a process: what bounds the memory
_AHEAD = 3


class Done(NamedTuple):
    """A block as rows, and how many lines it had."""

    batch: Batch
    lines: int


def batches_of(files: Iterable[Path], columns: Mapping[str, tuple[Column, ...]], processes: int) -> Iterator[Batch]:
    """The files' batches, in their order.

    :param processes: how many there may be; 1 is this one.
    """
    cut = [(file, blocks(file)) for file in files]
    size = sum(found[-1].end for _, found in cut if found)
    if processes < 2 or size < WORTH:
        for file, _ in cut:
            yield from Rows(columns).batches(read([file]))
        return
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_start, initargs=(dict(columns),)
    )
    try:
        yield from _in_order(pool, cut, columns, processes * _AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor,
    cut: list[tuple[Path, list[Block]]],
    columns: Mapping[str, tuple[Column, ...]],
    ahead: int,
) -> Iterator[Batch]:
    """Each file's blocks from the pool; what is in none is read here meanwhile."""
    for file, found in cut:
        if not found:
            yield from Rows(columns).batches(read([file]))
            continue
        lines = 0
        for block, done in _worked(pool, found, columns, ahead):
            if done is None:
                yield from Rows(columns).batches(read_rest(block, lines))
                break
            yield _moved(done.batch, lines)
            lines += done.lines


def _worked(
    pool: ProcessPoolExecutor, found: list[Block], columns: Mapping[str, tuple[Column, ...]], ahead: int
) -> Iterator[tuple[Block, Optional[Done]]]:
    """Each block and what the pool, or where it broke this process, made of it."""
    coming = iter(found)
    waiting: deque[tuple[Block, Optional[Future[Optional[Done]]]]] = deque()
    try:
        while True:
            waiting.extend((block, _given(pool, block)) for block in islice(coming, ahead - len(waiting)))
            if not waiting:
                return
            block, future = waiting.popleft()
            try:
                yield block, future.result() if future else block_rows(block, Rows(columns))
            except BrokenProcessPool:
                yield block, block_rows(block, Rows(columns))
    finally:
        for _, future in waiting:
            if future:
                future.cancel()


def _given(pool: ProcessPoolExecutor, block: Block) -> Optional[Future[Optional[Done]]]:
    try:
        return pool.submit(_work, block)
    except BrokenProcessPool:
        return None


def block_rows(block: Block, rows: Rows) -> Optional[Done]:
    """A block's rows; None where it is not for us: the scanner will say what is the matter."""
    try:
        items, lines = read_block(block)
        return Done(rows.batch(items), lines)
    except (NotLinesError, OSError):
        return None


def _moved(batch: Batch, lines: int) -> Batch:
    batch.bad = [one._replace(where=one.where._replace(line=one.where.line + lines)) for one in batch.bad]
    return batch


# --- in a reading process ---------------------------------------------------------------------------------------------

_ROWS: list[Rows] = []


def _start(columns: Mapping[str, tuple[Column, ...]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _ROWS[:] = [Rows(columns)]


def _end_with(sentinel: Union[int, object]) -> None:
    connection.wait([sentinel])  # type: ignore[list-item]
    os._exit(1)


def _work(block: Block) -> Optional[Done]:
    return block_rows(block, _ROWS[0])
