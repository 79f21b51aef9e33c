# From result shards to the database.


rule load:
    input:
        answers=shards_of,
        manifest=ancient(manifest_of),
    output:
        LAYOUT.load("{cohort}", "{experiment}"),
    log:
        LAYOUT.log("load", "{cohort}", "{experiment}"),
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    resources:
        db=1,
    params:
        tables=results_table_of,
    script:
        "../scripts/load.py"
