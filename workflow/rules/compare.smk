# Two experiments on the same notes; from their result shards, so without the database.


rule compare:
    input:
        loads=loads_compared,
    output:
        record=LAYOUT.comparison("{comparison}"),
        flips=LAYOUT.flips("{comparison}"),
    log:
        LAYOUT.log("compare", "{comparison}"),
    localrule: True
    conda:
        "../../envs/notemill.yaml"
    params:
        settings=comparison_of,
    script:
        "../scripts/compare.py"
