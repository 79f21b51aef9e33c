# Some texts of a cohort asked again, when all were answered: how many answers stay the same.


# update: one that is made stands; whatever makes the job run again asks nothing again.
# ancient as for answers: a shard written again has the same answers.
rule repeat:
    input:
        answers=ancient(shards_of),
        manifest=ancient(manifest_of),
        model=ancient(model_of),
    output:
        update(LAYOUT.repeat("{cohort}", "{experiment}")),
    log:
        LAYOUT.log("repeat", "{cohort}", "{experiment}"),
    conda:
        "../../envs/notemill.yaml"
    resources:
        gpu=GPUS,
        nodes=1,
        slurm_extra="--signal=TERM@120",
        tmpdir=None,
    params:
        repeat=repeat_of,
    script:
        "../scripts/repeat.py"
