"""How many trials a second pass through rank 0, and what one costs on the wire: `make bench-boxes`.

64 ranks on this machine, which has fewer cores, evaluate a function that takes microseconds, in 32 studies of random trials: what is
left is the scheduler, the database and the talk with the ranks. The output lies in memory (/dev/shm, else TMPDIR), since a disk's
sync would be measured in place of them. From the first trial's start to the last one's end. RANKS, TRIALS (of a study) and GSOS in the
environment change it."""
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from datetime import datetime

ranks, trials = os.environ.get("RANKS", "64"), os.environ.get("TRIALS", "500")
gsos = os.environ.get("GSOS", os.path.abspath("gsos"))
wanted = 2000  # trials a second

if not shutil.which("mpirun"):
    sys.exit("bench-boxes: there is no mpirun; on Debian: sudo apt-get install openmpi-bin libopenmpi-dev, then make")
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
settings = {"experiment.strategies": "simultaneous", "experiment.sampler": "random", "experiment.rounds": "32",
            "experiment.trials": trials, "scheduler.parallel": "8"}


def run(output, launcher):
    command = launcher + [gsos, "run", "configs/bench/ackley.ini", "--output", output]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    db = sqlite3.connect(f"file:{output}/study.db?mode=ro", uri=True)
    n, first, last = db.execute("SELECT count(*), min(datetime_start), max(datetime_complete) FROM trials").fetchone()
    seconds = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    return n / seconds, " ".join(done.stderr.split())


with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
    alone, _ = run(f"{folder}/alone", [])
    rate, said = run(f"{folder}/ranks", ["mpirun", "--oversubscribe", "-np", ranks])
told = re.search(r"(\d+) ranks on \d+ hosts?: (\d+) of (\d+) trials were not rank 0's, (.*?) sent and received, (\d+) bytes each",
                 said)
if not told:
    sys.exit(f"bench-boxes: the run says nothing of its ranks:\n{said}")
print(f"{told[1]} ranks on {os.cpu_count()} cores: {rate:.0f} trials/s; alone {alone:.0f} trials/s")
print(f"{told[2]} of {told[3]} trials ran on other ranks; {told[4]} sent and received, {told[5]} bytes for each of them")
if rate < wanted:
    sys.exit(f"bench-boxes: {wanted} trials/s are to pass; on a machine that is busy fewer do")
