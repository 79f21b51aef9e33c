# Loaded answers held against gold labels: figures, no answer is asked.


rule evaluate:
    input:
        loads=loads_of_evaluation,
        gold=gold_of,
    output:
        LAYOUT.evaluation("{evaluation}"),
    log:
        LAYOUT.log("evaluate", "{evaluation}"),
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    resources:
        db=1,
    params:
        evaluation=evaluation_of,
    script:
        "../scripts/evaluate.py"
