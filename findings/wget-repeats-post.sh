#!/bin/sh
# wget 1.21.3 (Debian 12: wget 1.21.3-1+deb12u1) and httplib2 0.20.4 (python3-httplib2 0.20.4-3), seen on 2026-11-29.
# Guess: a POST whose answer never came (the server took it and closed the connection) is not sent again by itself: it may have been carried
#        out (RFC 9110, 9.2.2). So it is with curl, requests, httpx, aiohttp, LWP, Ruby, PHP and Node on a new connection.
# Fact:  `wget --post-data` sends it up to 20 times (`--tries` counts for POST too, and is 20), and shows the answer of the last as if it had
#        been one; `httplib2`, beneath Google's older client for Python, sends it twice. Whatever it makes, a VM say, is made as often.
#        `--tries=1` stops wget; nothing stops httplib2, not `httplib2.RETRIES = 1` either.
# Seen:  wget --post-data: 4 sent, made 4
#        wget --tries=1: 1 sent,
#        httplib2: 2 sent, RemoteDisconnected
#        httplib2, RETRIES 1: 2 sent, RemoteDisconnected
set -eu
command -v wget >/dev/null || apt-get install -qq -y --no-install-recommends wget
/usr/bin/python3 -c 'import httplib2' 2>/dev/null || apt-get install -qq -y --no-install-recommends python3-httplib2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/seen.py" <<'PROGRAM'
import os, socket, subprocess, sys, threading
import httplib2

made = 0

def message(connection):
    data = b""
    while not data.endswith(b"\r\n\r\nname=a"):
        more = connection.recv(65536)
        if not more:
            return False
        data += more
    return data.startswith(b"POST ")

def serve(listener):
    global made
    while True:
        connection = listener.accept()[0]
        if message(connection):
            made += 1
            if made == 4:
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 6\r\nConnection: close\r\n\r\nmade 4")
        connection.close()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}

def wget(*options):
    command = ["wget", "--no-config", "--quiet", "--output-document=-", "--waitretry=0", "--post-data=name=a", *options, url]
    return subprocess.run(command, env=environment, timeout=60, capture_output=True, text=True).stdout

def python(tries):
    httplib2.RETRIES = tries
    try:
        return httplib2.Http(timeout=10, proxy_info=None).request(url, "POST", body="name=a")[1].decode()
    except Exception as error:
        return type(error).__name__

seen = []
for name, call in (
    ("wget --post-data", lambda: wget()),
    ("wget --tries=1", lambda: wget("--tries=1")),
    ("httplib2", lambda: python(2)),
    ("httplib2, RETRIES 1", lambda: python(1)),
):
    made = 0
    told = call()
    seen.append((made, told))
    print(("%s: %d sent, %s" % (name, made, told)).rstrip())
sys.exit(seen != [(4, "made 4"), (1, ""), (2, "RemoteDisconnected"), (2, "RemoteDisconnected")])
PROGRAM
/usr/bin/python3 "$folder/seen.py"
echo "as stated"
