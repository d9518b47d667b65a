#!/bin/sh
# lftp 4.9.2 (Debian 12: lftp 4.9.2-2+b1), seen 2026-11-29.
# Guess: through `https:proxy`, once CONNECT has made a tunnel, the origin is asked for a path (RFC 9112, 3.2.1: origin-form).
# Happens: inside the tunnel's TLS lftp still writes the whole URL (absolute-form), as if the origin were the proxy. Servers must read
# that (3.2.2), but one whose program routes by the request's target as it came (Node's `request.url`) answers 404.
# Output seen: CONNECT localhost:P HTTP/1.1, then GET https://localhost:P/hello HTTP/1.1
set -eu
command -v lftp >/dev/null || apt-get install -qq -y --no-install-recommends lftp
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-keyout "$work/key" -out "$work/cert" 2>/dev/null
cat >"$work/try.py" <<'PROGRAM'
import os, socket, ssl, subprocess, sys, threading

listener, seen = socket.create_server(("127.0.0.1", 0)), []
port = listener.getsockname()[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(sys.argv[1], "cert"), os.path.join(sys.argv[1], "key"))

def head(connection):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data.decode().split("\r\n")[0]

def serve():
    # The proxy, and in the same breath the origin behind its tunnel.
    connection = listener.accept()[0]
    seen.append(head(connection))
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    connection = context.wrap_socket(connection, server_side=True)
    seen.append(head(connection))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    connection.close()

threading.Thread(target=serve, daemon=True).start()
script = "set net:max-retries 1; set net:timeout 5; set ssl:verify-certificate no; set https:proxy http://127.0.0.1:%d; cat https://localhost:%d/hello"
subprocess.run(["lftp", "-c", script % (port, port)], timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seen = [line.replace(":%d" % port, ":P") for line in seen]
print(", then ".join(seen))
sys.exit(seen != ["CONNECT localhost:P HTTP/1.1", "GET https://localhost:P/hello HTTP/1.1"])
PROGRAM
python3 "$work/try.py" "$work"
