# The GPU job: asks about every note of one shard.


# ancient: notes or a record written again never ask answered notes again. The job itself checks
# that they are still the ones that its answers belong to.
# update: what is written again for its evidence alone keeps its failed notes, unasked.
rule answer:
    input:
        manifest=ancient(LAYOUT.manifest("{cohort}", "{cut}")),
        model=ancient(MODEL),
        pilot=ancient(PILOT),
        tables=ancient(LAYOUT.tables("{cohort}", "{experiment}")),
    output:
        update(
            ensure(
                LAYOUT.answers("{cohort}", "{experiment}", "{cut}", "{shard}"),
                non_empty=True,
            )
        ),
    log:
        LAYOUT.log("answer", "{cohort}", "{experiment}", "{cut}", "{shard}"),
    wildcard_constraints:
        experiment="|".join(ALONE) or "none",
    conda:
        "../../envs/notemill.yaml"
    # Values here are free; each text or formula from a profile is evaluated for every job when
    # planning.
    resources:
        gpu=GPUS,
        # Or Slurm may spread several GPUs over nodes, of which the job would use one.
        nodes=1,
        # SIGTERM two minutes before the limit: the job syncs its journal and ends its server.
        slurm_extra="--signal=TERM@120",
        # None: a job's own environment says where temporary files go. The default is a formula.
        tmpdir=None,
    params:
        result=result_of,
    script:
        "../scripts/answer.py"
