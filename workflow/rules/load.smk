# From result shards to the database.


rule load:
    input:
        answers=shards_of,
        manifest=ancient(LAYOUT.manifest("{cohort}")),
    output:
        LAYOUT.load("{cohort}", "{experiment}"),
    log:
        LAYOUT.log("load", "{cohort}", "{experiment}"),
    params:
        tables=results_table_of,
    resources:
        db=1,
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    script:
        "../scripts/load.py"
