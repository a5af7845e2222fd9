"""A dose on a Ray cluster: shards are tasks, and a worker that is lost costs what it did since its last checkpoint.

    pip install 'lutra[ray,images]'
    python dose.py ct.nii.gz activity.nii.gz mbq_h results          # this machine
    RAY_ADDRESS=auto python dose.py ct.nii.gz ...                   # the cluster that runs here; it sees the folder `results`
"""

import sys

import ray

import lutra.ray


def main(ct: str, activity: str, unit: str, results: str) -> None:
    """Computes the dose of files and saves it into ``results/whole``."""
    ray.init()
    cores = int(ray.cluster_resources()["CPU"])
    # a few shards for each core: one that is lost is done again by others
    result = lutra.ray.dose(results, ct, activity, activity_unit=unit, histories=8e6, shards=4 * cores)
    print(result.save(f"{results}/whole"), result.tally_hash)


if __name__ == "__main__":
    main(*sys.argv[1:])
