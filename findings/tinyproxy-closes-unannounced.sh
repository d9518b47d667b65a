#!/bin/sh
# tinyproxy 1.11.1 (Debian 12: tinyproxy-bin 1.11.1-2.1+deb12u1), seen 2026-11-29.
# Guess: a proxy that never keeps a client's connection says `Connection: close` in its HTTP/1.1 answers (RFC 9112, 9.6: it must).
# Happens: it passes the origin's answer on as HTTP/1.1 with a Content-Length and without that option, then closes. A client that
# reuses the connection, as it may, finds it dead: requests that must not be repeated fail now and then.
# Output seen: HTTP/1.1 200 OK, Connection: none, closed: True
set -eu
command -v tinyproxy >/dev/null || apt-get install -qq -y --no-install-recommends tinyproxy-bin
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/try.py" <<'PROGRAM'
import http.server, os, socket, subprocess, sys, threading, time

class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass

origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
conf = os.path.join(sys.argv[1], "conf")
with open(conf, "w") as file:
    file.write("Port %d\nListen 127.0.0.1\nLogLevel Critical\nTimeout 60\n" % port)
proxy = subprocess.Popen(["tinyproxy", "-d", "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            client = socket.create_connection(("127.0.0.1", port), 5)
            break
        except OSError:
            time.sleep(0.05)
    client.sendall(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" % origin.server_port)
    data = b""
    while True:
        more = client.recv(65536)
        if not more:
            break
        data += more
finally:
    proxy.terminate()
    proxy.wait()
first, *lines = data.split(b"\r\n\r\n")[0].decode().split("\r\n")
connection = [line for line in lines if line.lower().startswith("connection:")]
print("%s, Connection: %s, closed: True" % (first, connection or "none"))
sys.exit(not (first == "HTTP/1.1 200 OK" and not connection and data.endswith(b"ok")))
PROGRAM
python3 "$work/try.py" "$work"
