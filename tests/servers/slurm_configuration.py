"""The configuration of a test's Slurm cluster: its files, its nodes' folders and devices."""

import getpass
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.servers.daemon import free_port
from tests.servers.mariadb import MariaDB

SLURM_CONF = """\
ClusterName=notemill
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[slurmctld]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/slurmctld
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdSpoolDir={folder}/slurmd-%n
SlurmdPidFile={folder}/slurmd-%n.pid
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[slurmdbd]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=1
KillWait={kill_wait}
SlurmdTimeout={slurmd_timeout}
MinJobAge=300
SchedulerParameters=bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
# The nodes claim more than the machine has, so that several jobs fit at once.
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
# Jobs of `urgent` take the place of those of `scavenge`, no others.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=cpu Nodes=ALL Default=YES PreemptMode=OFF
PartitionName=gpu Nodes=ALL PreemptMode=OFF
PartitionName=scavenge Nodes=ALL PreemptMode=REQUEUE PriorityTier=0
PartitionName=urgent Nodes=ALL PreemptMode=OFF PriorityTier=10
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
    "CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus}"
)
GRES_CONF = """\
AutoDetect=off
{gpus}
"""
SLURMDBD_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[slurmdbd]}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost={database.host}
StoragePort={database.port}
StorageUser={database.user}
StoragePass={database.password}
StorageLoc={database.database}
"""


def write_configuration(
    folder: Path,
    names: Sequence[str],
    database: MariaDB,
    *,
    cpus: int,
    memory_mb: int,
    gpus_per_node: int,
    kill_wait: int,
    slurmd_timeout: int,
) -> None:
    """Write Slurm's files for these nodes into `folder`, on free ports, with the nodes' devices."""
    host = socket.gethostname().split(".")[0]
    ports = {name: free_port() for name in ("slurmctld", "slurmdbd", *names)}
    for daemon in ("slurmctld", *(f"slurmd-{name}" for name in names)):
        (folder / daemon).mkdir()
    nodes, gpus = [], []
    for name in names:
        nodes.append(
            NODE.format(
                name=name,
                host=host,
                port=ports[name],
                cpus=cpus,
                memory_mb=memory_mb,
                gpus=gpus_per_node,
            )
        )
        for index in range(gpus_per_node):
            # Slurm wants a device file, any.
            (folder / f"{name}-gpu{index}").symlink_to("/dev/null")
        files = f"{folder}/{name}-gpu[0-{gpus_per_node - 1}]"
        gpus.append(f"NodeName={name} Name=gpu File={files}")
    for name, template in {
        "slurm.conf": SLURM_CONF,
        "gres.conf": GRES_CONF,
        "slurmdbd.conf": SLURMDBD_CONF,
    }.items():
        path = folder / name
        # slurmdbd insists on it, and it holds a password.
        path.touch(mode=0o600 if name == "slurmdbd.conf" else 0o644)
        path.write_text(
            template.format(
                folder=folder,
                host=host,
                user=getpass.getuser(),
                ports=ports,
                kill_wait=kill_wait,
                slurmd_timeout=slurmd_timeout,
                nodes="\n".join(nodes),
                gpus="\n".join(gpus),
                database=database,
            )
        )
