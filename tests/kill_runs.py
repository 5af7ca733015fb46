"""Kills `gsos run` with SIGKILL at random moments until it has been killed so often, lets it end, and compares what is left with an
undisturbed run: kill_runs.py GSOS KILLS WORK FILE.ini [SECTION.KEY=VALUE]...

History (tests/history.py) and best network must be equal to the byte.  Where a run ends before it has been killed often enough,
another one is begun.  The seed is printed, and may be given as SEED."""
import os
import random
import signal
import subprocess
import sys
import time

gsos, kills, work, ini = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
settings = [f"--set={setting}" for setting in sys.argv[5:]]
seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
rng = random.Random(seed)
print(f"# seed {seed}", flush=True)


def command(output):
    return [gsos, "run", ini, "--quiet", "--output", output, *settings]


def left(output):
    history = subprocess.run([sys.executable, "tests/history.py", f"{output}/study.db"], check=True, capture_output=True).stdout
    if not os.path.exists(f"{output}/best.safetensors"):
        return history, None
    with open(f"{output}/best.safetensors", "rb") as f:
        return history, f.read()


def networks(output):
    return sum(len(files) for _, _, files in os.walk(f"{output}/networks"))


start = time.monotonic()
subprocess.run(command(f"{work}/whole"), check=True, stdout=subprocess.DEVNULL)
length = time.monotonic() - start
history, network = left(f"{work}/whole")
print(f"# undisturbed: {length:.1f} s, {len(history)} bytes of history")

killed, output, begun, running = 0, 0, 0, 0
while killed < kills:
    path = f"{work}/killed-{output}"
    process = subprocess.Popen(command(path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(rng.uniform(0, length / 6))
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    if process.returncode == 0:
        output += 1  # it was faster; the next one
    elif process.returncode == -signal.SIGKILL:
        killed += 1
    else:
        sys.exit(f"a run that was killed {killed} times does not go on: {err.decode()}")
for i in range(output + 1):
    path = f"{work}/killed-{i}"
    subprocess.run(command(path), check=True, stdout=subprocess.DEVNULL)
    if left(path) != (history, network):
        with open(f"{work}/undisturbed.txt", "wb") as f:
            f.write(history)
        with open(f"{work}/killed.txt", "wb") as f:
            f.write(left(path)[0])
        subprocess.run(["diff", f"{work}/undisturbed.txt", f"{work}/killed.txt"])
        sys.exit(f"{path} differs from the undisturbed run")
    temporary = [name for _, _, files in os.walk(path) for name in files if name.endswith(".tmp")]
    if networks(path) != networks(f"{work}/whole") or temporary:
        sys.exit(f"{path}: {networks(path)} networks, temporary files {temporary}")
print(f"# killed {killed} times in {output + 1} outputs")
