# The GPU job: asks about every note of one shard.


# ancient: notes or a record written again never ask answered notes again. The job itself checks
# that they are still the ones that its answers belong to.
rule answer:
    input:
        notes=ancient(LAYOUT.notes("{cohort}", "{shard}")),
        model=ancient(model_of),
    output:
        ensure(LAYOUT.answers("{cohort}", "{experiment}", "{shard}"), non_empty=True),
    log:
        LAYOUT.log("answer", "{cohort}", "{experiment}", "{shard}"),
    conda:
        "../../envs/notemill.yaml"
    # Numbers here are free; each one from a profile is evaluated for every job when planning.
    resources:
        gpu=1,
        disk_mb=1000,
    params:
        fingerprint=fingerprint_of,
    script:
        "../scripts/answer.py"
