#!/bin/sh
# One run as a Slurm array: 16 tasks, each a sixteenth of the histories, then a job that merges them.
#
#   job=$(sbatch --parsable --array=1-16 --requeue examples/slurm/array.sh ct.nii.gz activity.nii.gz results)
#   sbatch --dependency=afterok:"$job" --kill-on-invalid-dep=yes examples/slurm/merge.sh results
#
# What follows the results goes to `lutra dose`: --labels organs.nii.gz --administered-mbq 7400. From the environment:
# LUTRA_HISTORIES (1e9), LUTRA_UNIT of the activity (bq_ml_h), LUTRA_ENGINE (auto).
#
# A task that is preempted and requeued goes on from its last checkpoint. So does one that failed or ran out of time, when
# the same commands are given again; tasks that had finished end at once. To give only some again, say of how many:
# LUTRA_SHARDS=16 sbatch --array=3,7 ... Nodes may differ (CPU here, GPU there): the sum is the same integers.
#SBATCH --job-name=lutra
#SBATCH --time=02:00:00
#SBATCH --cpus-per-task=8
set -eu
if [ $# -lt 3 ]; then
  echo "usage: sbatch --array=1-N array.sh CT ACTIVITY RESULTS [options of lutra dose]" >&2
  exit 2
fi
ct=$1
activity=$2
results=$3
shift 3
k=${SLURM_ARRAY_TASK_ID:?run as an array: sbatch --array=1-N}
n=${LUTRA_SHARDS:-}
if [ -z "$n" ]; then
  n=${SLURM_ARRAY_TASK_COUNT:?run as an array: sbatch --array=1-N}
  # 0-15 would lack a shard, and of 3,7 the count is 2
  if [ "$SLURM_ARRAY_TASK_MIN" != 1 ] || [ "$SLURM_ARRAY_TASK_MAX" != "$n" ]; then
    echo "the array is $SLURM_ARRAY_TASK_MIN to $SLURM_ARRAY_TASK_MAX in $n tasks: use --array=1-N," \
      "or set LUTRA_SHARDS=N to give some tasks of N again" >&2
    exit 2
  fi
fi
out=$results/shard-$k
if [ -e "$out/run.json" ]; then
  echo "$out is there: nothing to do" >&2
  exit 0
fi
if [ -d "$out.checkpoint" ]; then
  set -- "$@" --resume "$out"
fi
exec lutra dose --ct "$ct" --activity "$activity" --activity-unit "${LUTRA_UNIT:-bq_ml_h}" \
  --histories "${LUTRA_HISTORIES:-1e9}" --engine "${LUTRA_ENGINE:-auto}" --threads "${SLURM_CPUS_PER_TASK:-1}" \
  --shard "$k/$n" --out "$out" "$@"
