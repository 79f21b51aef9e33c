# What the run came to: one page, and beside it the same as data and as a crate.


# From files alone. Inputs are all that it reads of rules; audits are people's work and may come
# later, so `notemill report` or --forcerun takes those in.
rule report:
    input:
        ANSWERS.values(),
        LOADS,
        MODELS.values(),
    output:
        report(LAYOUT.report, category="notemill"),
        LAYOUT.report.with_name("report.json"),
        LAYOUT.report.with_name("ro-crate-metadata.json"),
    log:
        LAYOUT.log("report", "report"),
    localrule: True
    conda:
        "../../envs/notemill.yaml"
    script:
        "../scripts/report.py"
