"""Ends `gsos run` at random moments until it has been ended so often, lets it end by itself, and compares what is left with an
undisturbed run: kill_runs.py GSOS TIMES WORK FILE.ini [SECTION.KEY=VALUE]...

SIGNALS=KILL,TERM,...: one of these each time (KILL alone where it is not given).  VARY='A B;C': each time with one of these lists of
settings, which are the machine's and change no history.

History (tests/cli/history.py) and best network must be equal to the byte.  Where a run ends before it has been ended often enough,
another one is begun.  Three times out of four the moment comes after the run has begun a trial, however long that takes.  After a clean stop the states of the trials that ran are there, or there were none; at the end there is no
state, no network but the best ones, and no temporary file.  The seed is printed, and may be given as SEED."""
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

gsos, times, work, ini = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
settings = [f"--set={setting}" for setting in sys.argv[5:]]
signals = [getattr(signal, f"SIG{name}") for name in os.environ.get("SIGNALS", "KILL").split(",")]
variants = [[f"--set={setting}" for setting in variant.split()] for variant in os.environ.get("VARY", "").split(";")]
seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
rng = random.Random(seed)
print(f"# seed {seed}", flush=True)


def command(output):
    return [gsos, "run", ini, "--quiet", "--output", output, *settings, *rng.choice(variants)]


def heeded():
    """A background job of a shell, or nohup, may have left them ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def left(output):
    history = subprocess.run([sys.executable, "tests/cli/history.py", f"{output}/study.db"], check=True, capture_output=True).stdout
    if not os.path.exists(f"{output}/best.safetensors"):
        return history, None
    with open(f"{output}/best.safetensors", "rb") as f:
        return history, f.read()


def begun(path, process):
    """Waits until a trial of the process runs; False where it has ended before."""
    while process.poll() is None:
        try:
            db = sqlite3.connect(f"file:{path}/study.db?mode=ro", uri=True)
            own = f"SELECT 1 FROM study_system_attributes WHERE key = 'gsos:owner' AND json_extract(value_json, '$.pid') = {process.pid}"
            if db.execute(f"SELECT 1 FROM trials WHERE state = 'RUNNING' AND EXISTS ({own})").fetchone():
                return True
            db.close()
        except sqlite3.Error:  # it is being made
            pass
        time.sleep(0.002)
    return False


def files(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


start = time.monotonic()
subprocess.run(command(f"{work}/whole"), check=True, stdout=subprocess.DEVNULL)
length = time.monotonic() - start
history, network = left(f"{work}/whole")
print(f"# undisturbed: {length:.1f} s, {len(history)} bytes of history")

ended, output, stops, states = 0, 0, 0, 0
while ended < times or (stops > 3 and states == 0 and ended < times + 100):
    path = f"{work}/ended-{output}"
    process = subprocess.Popen(command(path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=heeded)
    if rng.random() < 0.75:
        begun(path, process)
    time.sleep(rng.uniform(0, length / 6))
    number = rng.choice(signals)
    sent = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate()
    if process.returncode == 0:
        output += 1  # it was faster; the next one
    elif process.returncode == -signal.SIGKILL and number == signal.SIGKILL:
        ended += 1
    elif process.returncode in (128 + number, -number):  # or it had not begun to listen
        ended += 1
        stops += process.returncode > 0
        states += process.returncode > 0 and files(f"{path}/states")
        if time.monotonic() - sent > 60:
            sys.exit(f"a stop took {time.monotonic() - sent:.1f} s")
    else:
        sys.exit(f"a run that was ended {ended} times does not go on: {process.returncode} {err.decode()}")
    if b"begins again" in err:
        sys.exit(f"a state was of no use: {err.decode()}")
for i in range(output + 1):
    path = f"{work}/ended-{i}"
    subprocess.run(command(path), check=True, stdout=subprocess.DEVNULL)
    if left(path) != (history, network):
        with open(f"{work}/undisturbed.txt", "wb") as f:
            f.write(history)
        with open(f"{work}/ended.txt", "wb") as f:
            f.write(left(path)[0])
        subprocess.run(["diff", f"{work}/undisturbed.txt", f"{work}/ended.txt"])
        sys.exit(f"{path} differs from the undisturbed run")
    temporary = [name for _, _, names in os.walk(path) for name in names if name.endswith(".tmp")]
    if files(f"{path}/networks") != files(f"{work}/whole/networks") or temporary or os.path.exists(f"{path}/states"):
        sys.exit(f"{path}: {files(f'{path}/networks')} networks, {files(f'{path}/states')} states, temporary files {temporary}")
print(f"# ended {ended} times in {output + 1} outputs; {stops} clean stops left {states} states")
if stops > 3 and states == 0:
    sys.exit("no stop left a state")
