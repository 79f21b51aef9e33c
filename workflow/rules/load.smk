# From result shards to the database.


# Before any GPU: what only the database knows, such as a table that could not hold the answers.
rule tables:
    input:
        ancient(manifest_of),
    output:
        LAYOUT.tables("{cohort}", "{experiment}"),
    log:
        LAYOUT.log("tables", "{cohort}", "{experiment}"),
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    resources:
        db=1,
    params:
        tables=tables_of,
    script:
        "../scripts/tables.py"


rule load:
    input:
        answers=shards_of,
        tables=ancient(LAYOUT.tables("{cohort}", "{experiment}")),
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
        tables=loaded_of,
    script:
        "../scripts/load.py"
