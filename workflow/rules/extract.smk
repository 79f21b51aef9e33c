# From the database to notes shards.


# One folder and not its thousand files: Snakemake compares each job's inputs with all outputs.
rule extract:
    output:
        manifest=LAYOUT.manifest("{cohort}"),
        notes=directory(LAYOUT.notes_folder("{cohort}")),
    log:
        LAYOUT.log("extract", "{cohort}"),
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    resources:
        db=1,
    script:
        "../scripts/extract.py"
