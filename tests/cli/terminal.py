"""What a program shows on a terminal: terminal.py out|err PROGRAM ARGUMENT...

Of 80 columns and 24 rows, or $COLUMNS and $LINES.  The stream that is named is the terminal.  Prints what came, without what moves the cursor, and exits as the program does."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", int(os.environ.get("LINES", 24)), int(os.environ.get("COLUMNS", 80)), 0, 0))
streams = {"stdout": theirs} if sys.argv[1] == "out" else {"stderr": theirs, "stdout": subprocess.DEVNULL}
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}, **streams)
os.close(theirs)
text = b""
try:
    while part := os.read(ours, 65536):
        text += part
except OSError:  # the other end is closed
    pass
print(re.sub(r"\x1b\[[0-9]*[A-Za-z]|\r", "", text.decode()), end="")
sys.exit(process.wait())
