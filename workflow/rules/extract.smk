# From the database to notes shards. A rule for each cohort, because their numbers of shards differ.

for cohort in CONFIG.cohorts:

    rule:
        name:
            f"extract_{cohort}"
        output:
            manifest=LAYOUT.manifest(cohort),
            notes=notes_of(cohort),
        log:
            LAYOUT.log("extract", cohort),
        params:
            cohort=cohort,
        resources:
            db=1,
        localrule: DATABASE_IS_HERE
        conda:
            "../../envs/notemill.yaml"
        script:
            "../scripts/extract.py"
