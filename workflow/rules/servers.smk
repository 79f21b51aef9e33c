# Servers that live on, as jobs: they publish themselves, and end without requests or at their limit.


# How each ended. A name of its own for each invocation: whoever asks for servers gets them, whatever
# earlier ones did.
rule server:
    output:
        LAYOUT.server("{plan}", "{served}", "{number}"),
    log:
        LAYOUT.log("serve", "{served}", "{plan}", "{number}"),
    wildcard_constraints:
        plan="[0-9a-f]{16}",
        served="[^/]+",
        number=r"\d+",
    # Before the jobs that ask them.
    priority: 100
    conda:
        "../../envs/notemill.yaml"
    # Of one machine half: jobs that ask run there too.
    threads: max(1, (workflow.cores or 2) // 2)
    resources:
        gpu=lambda wildcards: gpus_of_server(SERVED[wildcards.served]),
        nodes=1,
        idle_minutes=20,
        tmpdir=None,
    script:
        "../scripts/server.py"


# The target: as many as the profile lets you have GPUs (`resources: {gpu: 16}`). Until they have ended:
# beside `snakemake servers` the jobs that ask run from another terminal, or in the same run, named
# beside it: `snakemake servers all`.
rule servers:
    input:
        servers_wanted,
