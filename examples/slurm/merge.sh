#!/bin/sh
# Merges the shards that array.sh left in a folder. Refuses if one is missing.
#SBATCH --job-name=lutra-merge
#SBATCH --time=00:15:00
set -eu
results=$1
exec lutra merge "$results"/shard-*[0-9] --out "$results/whole"
