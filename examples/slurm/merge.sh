#!/bin/sh
# Merges the shards that array.sh left in a folder. Refuses if one is missing.
#
#   sbatch --dependency=afterok:JOBID --kill-on-invalid-dep=yes examples/slurm/merge.sh results
#SBATCH --job-name=lutra-merge
#SBATCH --time=00:15:00
set -eu
results=${1:?usage: sbatch merge.sh RESULTS}
exec lutra merge "$results"/shard-*[0-9] --out "$results/whole"
