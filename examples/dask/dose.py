"""A dose on a Dask cluster: shards are tasks, and a worker that is lost costs what it did since its last checkpoint.

    pip install 'lutra[dask,images]'
    python dose.py ct.nii.gz activity.nii.gz mbq_h results                        # workers on this machine
    python dose.py ct.nii.gz activity.nii.gz mbq_h results tcp://scheduler:8786   # a cluster; it sees the folder `results`
"""

import sys

from dask.distributed import Client, LocalCluster

import lutra.dask


def main(ct: str, activity: str, unit: str, results: str, scheduler: str | None = None) -> None:
    """Computes the dose of files and saves it into ``results/whole``."""
    with Client(scheduler or LocalCluster(threads_per_worker=1)) as client:
        workers = len(client.scheduler_info()["workers"])
        # a few shards for each worker: one that is lost is done again by others
        result = lutra.dask.dose(
            client, results, ct, activity, activity_unit=unit, histories=8e6, shards=4 * max(workers, 1)
        )
    print(result.save(f"{results}/whole"), result.tally_hash)


if __name__ == "__main__":
    main(*sys.argv[1:])
