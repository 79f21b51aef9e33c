"""A server that lives on; see notemill.endpoints.life."""

import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # this notemill, whatever else is installed

from notemill.config import read_config
from notemill.database.password import leave_password_out
from notemill.logs import job_log
from notemill.plan.runs import plan_runs

leave_password_out()
with job_log(snakemake.log[0]) as log:
    from notemill.endpoints.door import Door
    from notemill.endpoints.life import Wishes, prepare, serve
    from notemill.endpoints.limits import end_of_job
    from notemill.metrics import watching_servers
    from notemill.paths import Layout
    from notemill.plan.servers import planned_server
    from notemill.plan.started import starts_of

    config = read_config(snakemake.config)
    asked = planned_server(config, plan_runs(config), snakemake.wildcards.served)
    log.info("%s serves %s", asked.name, asked.told)
    prepare(asked.folder())
    starts = starts_of(
        asked,
        Layout(config.results),
        Path(snakemake.log[0]).with_suffix(".engine.log"),
        snakemake.threads,
        None,
    )
    door = Door(platform.node(), trusted_network=asked.runs[0].engine.trusted_network)
    idle_s = 60 * snakemake.resources.idle_minutes
    wishes = Wishes(
        door, asked.folder(), end_of_job(), idle_s=idle_s, watched=watching_servers(config)
    )
    end = serve(asked.engine, starts, wishes)
    end.write(Path(snakemake.output[0]))
