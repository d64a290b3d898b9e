#!/bin/bash
# cluster.sh start FOLDER|stop FOLDER: a Slurm of one node, this one, with all that it writes in FOLDER. Needs Debian's slurm-wlm and munge.
#
#   export SLURM_CONF=FOLDER/slurm.conf       and sbatch, squeue, scontrol find it
#
# Jobs of the partition `urgent` preempt those of the partition `all`, which have two minutes to save, and are queued again.
# It runs as the user that starts it, on ports of its own, and knows no cgroups and no accounting, so that it starts in a container too.
set -euo pipefail
folder=$(realpath -m "$2")

stop() {
  for name in slurmd slurmctld munged; do
    [ -f "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
  done
}

start() {
  mkdir -p "$folder"/{state,spool}
  chmod 700 "$folder"
  host=$(hostname -s) user=$(id -un) port=${SLURM_TEST_PORT:-26817}
  head -c 1024 /dev/urandom >"$folder/munge.key"
  chmod 600 "$folder/munge.key"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=genjax
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
KillWait=60
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=$host Default=YES State=UP OverSubscribe=NO PriorityTier=1 GraceTime=120
PartitionName=urgent Nodes=$host State=UP OverSubscribe=NO PriorityTier=2 PreemptMode=OFF
CONF
  /usr/sbin/munged --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" --pid-file "$folder/munged.pid" \
    --log-file "$folder/munged.log" --seed-file "$folder/munge.seed"
  export SLURM_CONF=$folder/slurm.conf
  /usr/sbin/slurmctld -f "$SLURM_CONF"
  /usr/sbin/slurmd -f "$SLURM_CONF" -N "$host"
  for _ in $(seq 60); do
    if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then exit 0; fi
    sleep 0.5
  done
  tail -n 5 "$folder"/slurmctld.log "$folder"/slurmd.log >&2
  stop
  exit 1
}

"$1"
