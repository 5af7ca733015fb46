"""What benchmarks of whole searches have in common: a run of gsos, and its trials."""
import csv
import pathlib
import subprocess
import sys


def run(gsos, ini, folder, settings):
    """Runs an ini file with settings ("SECTION.KEY=VALUE") into a folder, where what is finished is not run again; the rows of trials.csv."""
    command = [gsos, "run", str(ini), "--quiet", "--output", str(folder)]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {' '.join(command)}\n{done.stderr}")
    with open(pathlib.Path(folder) / "trials.csv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))
