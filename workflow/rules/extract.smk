# From the database or files to notes shards.


# The manifest, written last, stands for the notes shards and holds their digests. As outputs they
# would be compared with every answer job's input, which is a sixth of the plan's time.
# update: an extract that fails leaves the manifest as it was, and so no answer job runs again.
rule extract:
    output:
        update(LAYOUT.manifest("{cohort}", "{cut}")),
    log:
        LAYOUT.log("extract", "{cohort}", "{cut}"),
    localrule: DATABASE_IS_HERE
    conda:
        "../../envs/notemill.yaml"
    resources:
        db=1,
    script:
        "../scripts/extract.py"
