// One run as N shards, merged bit for bit.
//
//   nextflow run examples/nextflow/main.nf --ct ct.nii.gz --activity activity.nii.gz --histories 1e8 --shards 8
params.unit = 'bq_ml_h'
params.histories = '1e8'
params.shards = 4
params.engine = 'auto'
params.results = 'results'

process SHARD {
    input:
    tuple val(k), path(ct), path(activity)

    output:
    path "shard-${k}"

    script:
    """
    lutra dose --ct ${ct} --activity ${activity} --activity-unit ${params.unit} --engine ${params.engine} \\
      --histories ${params.histories} --shard ${k}/${params.shards} --out shard-${k}
    """
}

process MERGE {
    publishDir params.results, mode: 'copy'

    input:
    path shards

    output:
    path 'whole'

    script:
    """
    lutra merge ${shards} --out whole
    """
}

workflow {
    inputs = Channel.of(1..params.shards.toInteger()).map { k -> tuple(k, file(params.ct), file(params.activity)) }
    MERGE(SHARD(inputs).collect())
}
