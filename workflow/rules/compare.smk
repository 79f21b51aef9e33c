# Two experiments on the same notes, from their result shards.


rule compare:
    input:
        loads=loads_compared,
        evaluation=evaluation_compared,
    output:
        record=LAYOUT.comparison("{comparison}"),
        flips=LAYOUT.flips("{comparison}"),
    log:
        LAYOUT.log("compare", "{comparison}"),
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    # For labels that are a query's.
    resources:
        db=1,
    params:
        settings=comparison_of,
    script:
        "../scripts/compare.py"
