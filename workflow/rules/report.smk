# What the run came to: one page, and beside it the same as data and as a crate.


# All that the report reads and a rule makes; and audits, which are people's work, as far as they
# are settled. The report is asked for by name: `snakemake report`.
rule report:
    input:
        ANSWERS.values(),
        LOADS,
        MODELS.values(),
        EVALUATIONS,
        COMPARISONS,
        REPEATS,
        [
            estimate
            for cohort, experiment in ANSWERS
            for estimate in LAYOUT.audits(cohort, experiment).glob("*/estimate.json")
        ],
    output:
        report(LAYOUT.report, category="notemill"),
        LAYOUT.report.with_name("report.json"),
        LAYOUT.report.with_name("ro-crate-metadata.json"),
    log:
        LAYOUT.log("report", "report"),
    localrule: True
    conda:
        "../../envs/notemill.yaml"
    params:
        report=CONFIG.report.model_dump(),
    script:
        "../scripts/report.py"
