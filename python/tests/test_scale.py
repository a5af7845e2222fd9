"""A run in parts, here and on clusters of this machine, with a worker killed in the middle."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HISTORIES, NAMES, ByProgram, Case, needs

import lutra

UNIT: dict[str, Any] = {"activity_unit": "mbq_h", "label_names": NAMES}


def parts(case: Case, folder: Path, count: int, **more: Any) -> list[str]:
    images = case.images()
    options: dict[str, Any] = {**UNIT, "histories": HISTORIES, **more}
    given = (images["ct"], images["activity"], images["labels"])
    return [lutra.shard((part, count), folder / str(part), *given, **options) for part in range(1, count + 1)]


def test_shards_in_any_order_are_the_whole_run(case: Case, by_program: ByProgram, tmp_path: Path) -> None:
    folders = parts(case, tmp_path, 5, administered_mbq=7400)
    random.Random(1).shuffle(folders)
    merged = lutra.merge(folders)
    assert merged.tally_hash == by_program.record["tally_sha256"]
    rows = [dict(zip(merged.regions, row)) for row in zip(*merged.regions.values())]
    assert rows == by_program.record["regions"]
    place = Path(merged.save(tmp_path / "whole"))
    assert (place / "organs.csv").exists()
    with pytest.raises(lutra.LutraError, match="missing|batch"):
        lutra.merge(folders[1:])
    shorter = lutra.merge(folders[1:], allow_missing=True)
    assert shorter.tally_hash != merged.tally_hash
    assert "batches-missing" in {note.code for note in shorter.notes}


def test_shards_that_do_not_belong_together_are_refused(case: Case, tmp_path: Path) -> None:
    mine, theirs = parts(case, tmp_path / "a", 2), parts(case, tmp_path / "b", 2, seed=178)
    with pytest.raises(lutra.LutraError):
        lutra.merge([mine[0], theirs[1]])
    with pytest.raises(lutra.OccupiedError):
        parts(case, tmp_path / "a", 2)
    for part in ((0, 2), (3, 2), (1, 5000)):
        with pytest.raises(lutra.InvalidError, match="shard"):
            images = case.images()
            lutra.shard(part, tmp_path / "c", images["ct"], images["activity"], activity_unit="mbq_h")
    assert not (tmp_path / "c").exists()


def killed_in_the_middle(pids: Any, folder: Path, stop: threading.Event) -> list[int]:
    """Kills one of the workers once a shard is under way; which."""
    killed: list[int] = []

    def look() -> None:
        while not stop.is_set():
            if any(folder.glob("shard-*.checkpoint")):
                time.sleep(0.2)
                for pid in pids():
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return
            time.sleep(0.02)

    threading.Thread(target=look, daemon=True).start()
    return killed


@pytest.fixture(scope="module")
def long(case: Case) -> int:
    """Histories of about four seconds on one thread of this machine."""
    images = case.images()
    few = 20_000
    cost = lutra.dose(images["ct"], images["activity"], histories=few, threads=1, activity_unit="mbq_h").run["cost"]
    return max(few, round(4.0 * few / cost["transport_wall_seconds"]) // few * few)


def whole(case: Case, histories: int) -> str:
    images = case.images()
    return lutra.dose(images["ct"], images["activity"], images["labels"], histories=histories, **UNIT).tally_hash


def test_dask_gives_the_single_runs_hash_with_a_worker_killed(case: Case, long: int, tmp_path: Path) -> None:
    distributed = needs("dask.distributed")
    import lutra.dask

    images = case.images()
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    stop = threading.Event()
    with cluster, distributed.Client(cluster) as client:
        pids = lambda: [int(client.run(os.getpid).popitem()[1])]  # noqa: E731
        killed = killed_in_the_middle(pids, tmp_path, stop)
        result = lutra.dask.dose(
            client, tmp_path, images["ct"], images["activity"], images["labels"], shards=4, histories=long, **UNIT
        )
        stop.set()
    assert killed, "the run was over before a worker could be killed"
    assert result.tally_hash == whole(case, long)
    assert not list(tmp_path.glob("*.checkpoint")), "a finished shard leaves no checkpoints"
    np.testing.assert_array_equal(result.dose_gy.shape, case.ct.shape)


def test_ray_gives_the_single_runs_hash_with_a_worker_killed(case: Case, long: int, tmp_path: Path) -> None:
    ray = needs("ray")
    import lutra.ray

    images = case.images()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    stop = threading.Event()
    try:

        def pids() -> list[int]:
            owner = next(tmp_path.glob("shard-*.checkpoint/owner.json"))
            import json

            return [int(json.loads(owner.read_text())["process"])]

        killed = killed_in_the_middle(pids, tmp_path, stop)
        result = lutra.ray.dose(
            tmp_path, images["ct"], images["activity"], images["labels"], shards=4, histories=long, **UNIT
        )
        stop.set()
    finally:
        ray.shutdown()
    assert killed, "the run was over before a worker could be killed"
    assert result.tally_hash == whole(case, long)
