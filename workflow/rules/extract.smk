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
        localrule: DATABASE_IS_HERE
        conda:
            "../../envs/notemill.yaml"
        resources:
            db=1,
        params:
            cohort=cohort,
        script:
            "../scripts/extract.py"
