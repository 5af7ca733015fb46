"""A program that is sent a signal: signalled.py SIGNAL WORK WORD PROGRAM ARGUMENT...

Runs PROGRAM with its output in WORK/out and WORK/err, sends it SIGNAL (SIGINT, ...) as soon as WORK/out has WORD, and exits as it does;
it stands still while WORK/out is looked at, so that it cannot end before the signal, however fast it is.  Exits with 99 where it ends before that, or has not ended ten minutes after the signal."""
import signal
import subprocess
import sys
import time

number, work, word = getattr(signal, sys.argv[1]), sys.argv[2], sys.argv[3].encode()


def heeded():
    """A background job of a shell, or nohup, may have left them ignored."""
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(each, signal.SIG_DFL)


with open(f"{work}/out", "wb") as out, open(f"{work}/err", "wb") as err:
    process = subprocess.Popen(sys.argv[4:], stdout=out, stderr=err, preexec_fn=heeded)
while process.poll() is None:
    process.send_signal(signal.SIGSTOP)
    with open(f"{work}/out", "rb") as said:
        found = word in said.read()
    if found:
        process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    if found:
        break
    time.sleep(0.01)
else:
    sys.exit(99)
try:
    sys.exit(process.wait(600))
except subprocess.TimeoutExpired:
    process.kill()
    sys.exit(99)
