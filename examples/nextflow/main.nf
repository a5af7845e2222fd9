// One run as N shards, merged bit for bit.
//
//   nextflow run examples/nextflow/main.nf --ct ct.nii.gz --activity activity.nii.gz --histories 1e8 --shards 8
//
// More settings: --unit of the activity (bq_ml_h), --engine (auto), --threads of a shard (2), --results (results), and
// whatever else `lutra dose` takes: --options='--administered-mbq 7400 --labels /absolute/path/organs.nii.gz'.
//
// A failed shard is tried once more, from its beginning: each try has a folder of its own. After a crash, `-resume`
// keeps the shards that had finished.
params.ct = null
params.activity = null
params.unit = 'bq_ml_h'
params.histories = '1e8'
params.shards = 4
params.engine = 'auto'
params.threads = 2
params.options = ''
params.results = 'results'

process SHARD {
    cpus { params.threads }
    errorStrategy 'retry'

    input:
    tuple val(k), path(ct), path(activity)

    output:
    path "shard-${k}"

    script:
    """
    lutra dose --ct ${ct} --activity ${activity} --activity-unit ${params.unit} --engine ${params.engine} \\
      --histories ${params.histories} --threads ${task.cpus} --shard ${k}/${params.shards} ${params.options} \\
      --checkpoint 0 --out shard-${k}
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
    if (!params.ct || !params.activity) {
        error 'give --ct and --activity'
    }
    inputs = channel.of(1..params.shards.toInteger()).map { k -> tuple(k, file(params.ct), file(params.activity)) }
    MERGE(SHARD(inputs).collect())
}
