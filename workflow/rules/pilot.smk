# Some texts of each cohort and experiment, before its shards: proves, measures, estimates.


# It fails once for what every shard would fail of, so it is not tried again: whatever the profile's
# `retries` are, the message comes at once. ancient as for answers: it asks nothing again.
# update: one that is made stands; whatever makes the job run again measures nothing again.
rule pilot_job:
    input:
        manifest=ancient(manifest_of),
        model=ancient(model_of),
    output:
        update(LAYOUT.pilot("{cohort}", "{experiment}")),
    log:
        LAYOUT.log("pilot", "{cohort}", "{experiment}"),
    retries: 0
    conda:
        "../../envs/notemill.yaml"
    resources:
        gpu=GPUS,
        nodes=1,
        slurm_extra="--signal=TERM@120",
        tmpdir=None,
    script:
        "../scripts/pilot_job.py"


# The target: all pilots, and what they tell, each time that it is asked for.
rule pilot:
    input:
        PILOTS.values(),
    log:
        LAYOUT.log("pilot", "advice"),
    localrule: True
    conda:
        "../../envs/notemill.yaml"
    script:
        "../scripts/pilot.py"
