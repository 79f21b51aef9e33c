"""Clinical notes through a local language model, and back to the database. See README.md."""

from snakemake.utils import min_version

min_version("9.0")


if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/answer.smk"
include: "workflow/rules/load.smk"


# The answer shards are named beside the loads: a deleted one would go unnoticed otherwise.
rule all:
    default_target: True
    input:
        ANSWERS.values(),
        LOADS,


rule notes:
    input:
        MANIFESTS,


rule answers:
    input:
        ANSWERS.values(),
