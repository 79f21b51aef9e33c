# What the model is; pulls it where that is allowed. Runs where the internet may be: here.


rule model:
    output:
        LAYOUT.model("{model}"),
    log:
        LAYOUT.log("model", "{model}"),
    localrule: True
    conda:
        "../../envs/notemill.yaml"
    script:
        "../scripts/model.py"
