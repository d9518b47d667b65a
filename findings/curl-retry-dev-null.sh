#!/bin/sh
# curl 7.88.1 (Debian 12: curl 7.88.1-10+deb12u14), seen on 2026-11-29.
# Guess: `curl --retry 5 -o /dev/null URL`, as written in health checks and boot scripts, tries again after a 503.
# Fact:  it does only where the 503 has no body. With one, curl first wants to empty the file that it wrote it to, which cannot be done to
#        /dev/null, and ends with code 23 (write error) at the first try. With a file, or with the shell's `>/dev/null`, it tries again.
# Seen (the server answers 503 twice, then 200):
#        -o /dev/null, 503 without a body: 3 tries, exit 0
#        -o /dev/null, 503 with a body: 1 try, exit 23
#        -o file, 503 with a body: 3 tries, exit 0
#        >/dev/null, 503 with a body: 3 tries, exit 0
set -eu
command -v curl >/dev/null || apt-get install -qq -y --no-install-recommends curl
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/seen.py" <<'PROGRAM'
import http.server, os, subprocess, sys, threading

class Site(http.server.BaseHTTPRequestHandler):
    tries, body = 0, b""
    def do_GET(self):
        Site.tries += 1
        self.send_response(503 if Site.tries < 3 else 200)
        self.send_header("Content-Length", str(len(Site.body)))
        self.end_headers()
        self.wfile.write(Site.body)
    def log_message(self, *_):
        pass

site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
threading.Thread(target=site.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % site.server_port
seen = []
for name, output, body in (
    ("-o /dev/null, 503 without a body", ["-o", "/dev/null"], b""),
    ("-o /dev/null, 503 with a body", ["-o", "/dev/null"], b"busy"),
    ("-o file, 503 with a body", ["-o", os.path.join(sys.argv[1], "file")], b"busy"),
    (">/dev/null, 503 with a body", [], b"busy"),
):
    Site.tries, Site.body = 0, body
    command = ["curl", "-q", "--silent", "--noproxy", "*", "--retry", "5", "--retry-delay", "1", *output, url]
    code = subprocess.run(command, timeout=60, stdout=subprocess.DEVNULL).returncode
    print("%s: %d %s, exit %d" % (name, Site.tries, "try" if Site.tries == 1 else "tries", code))
    seen.append((Site.tries, code))
sys.exit(seen != [(3, 0), (1, 23), (3, 0), (3, 0)])
PROGRAM
python3 "$folder/seen.py" "$folder"
echo "as stated"
