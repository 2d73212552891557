"""Starts a program as a service manager does: with sockets that are open already (sd_listen_fds(3)).

    activate.py ADDRESSES NAME=HOST... -- PROGRAM ARGUMENT...

Binds a free port of each host, writes the addresses into a file, a line each, and becomes the program. A name of `-` is none.
"""

import os
import socket
import sys

FIRST = 3

separator = sys.argv.index("--")
note, wanted, command = sys.argv[1], sys.argv[2:separator], sys.argv[separator + 1 :]

names, sockets = [], []
for text in wanted:
    name, host = text.split("=")
    one = socket.create_server((host, 0))
    names.append("" if name == "-" else name)
    sockets.append(one)

with open(note + ".new", "w") as file:
    file.writelines("{}:{}\n".format(*one.getsockname()) for one in sockets)
os.rename(note + ".new", note)

# Out of the way first: a socket may sit where another has to go.
moved = [os.dup(one.fileno()) for one in sockets]
spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(16)]
moved = [os.dup(number) for number in moved]
for place, number in enumerate(moved):
    os.dup2(number, FIRST + place, inheritable=True)

os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.execv(command[0], command)
