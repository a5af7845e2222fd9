#!/bin/sh
# One run as a Slurm array: 16 tasks, each a sixteenth of the histories, then a job that merges them.
#
#   sbatch --array=1-16 --requeue examples/slurm/array.sh ct.nii.gz activity.nii.gz results
#   sbatch --dependency=afterok:JOBID examples/slurm/merge.sh results
#
# A task that is preempted and requeued goes on from its last checkpoint. Nodes may differ (CPU here, GPU there):
# the sum is the same integers.
#SBATCH --job-name=lutra
#SBATCH --time=02:00:00
#SBATCH --cpus-per-task=8
set -eu
ct=$1
activity=$2
results=$3
k=${SLURM_ARRAY_TASK_ID:?run as an array: sbatch --array=1-N}
n=${SLURM_ARRAY_TASK_COUNT:?run as an array: sbatch --array=1-N}
out=$results/shard-$k
if [ -e "$out/run.json" ]; then
  exit 0
fi
resume=
if [ -d "$out.checkpoint" ]; then
  resume="--resume $out"
fi
# shellcheck disable=SC2086
exec lutra dose --ct "$ct" --activity "$activity" --activity-unit "${LUTRA_UNIT:-bq_ml_h}" \
  --histories "${LUTRA_HISTORIES:-1e9}" --shard "$k/$n" --out "$out" $resume
