# The GPU jobs of tasks that are asked together: rules for each batch, an output for each task. What a
# profile says of `answer` and `pilot_job` holds for them (like_their_rules).


# As rules pilot_job and answer, for each batch. What is declared is what the batch was fixed with, and
# so stays the same when a task is taken away: nothing of the others runs again.
for batch in BATCHES:

    rule:
        name:
            f"pilot_job_{batch.name}"
        input:
            manifest=ancient(manifest_of),
            model=ancient(MODELS[batch.runs[0].experiment_id]),
        output:
            [update(LAYOUT.pilot("{cohort}", run.experiment_id)) for run in batch.runs],
        log:
            LAYOUT.log("pilot", "{cohort}", batch.name),
        retries: 0
        conda:
            "../../envs/notemill.yaml"
        resources:
            gpu=gpus_of_run(batch.runs[0]),
            nodes=1,
            slurm_extra="--signal=TERM@120",
            tmpdir=None,
        params:
            asked_with=" ".join(batch.asked_with),
        script:
            "../scripts/pilot_job.py"

    rule:
        name:
            f"answer_{batch.name}"
        input:
            manifest=ancient(LAYOUT.manifest("{cohort}", "{cut}")),
            model=ancient(MODELS[batch.runs[0].experiment_id]),
            pilots=ancient(pilots_of_batch(batch)),
            tables=ancient(tables_of_batch(batch)),
        output:
            [
                update(
                    ensure(
                        LAYOUT.answers(
                            "{cohort}", run.experiment_id, "{cut}", "{shard}"
                        ),
                        non_empty=True,
                    )
                )
                for run in batch.runs
            ],
        log:
            LAYOUT.log("answer", "{cohort}", batch.name, "{cut}", "{shard}"),
        conda:
            "../../envs/notemill.yaml"
        resources:
            gpu=gpus_of_run(batch.runs[0]),
            nodes=1,
            slurm_extra="--signal=TERM@120",
            tmpdir=None,
        params:
            asked_with=" ".join(batch.asked_with),
            graded=batch.graded,
        script:
            "../scripts/answer.py"
