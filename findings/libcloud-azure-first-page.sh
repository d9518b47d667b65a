#!/bin/sh
# Apache Libcloud 3.4.1 (Debian 12: python3-libcloud 3.4.1-5), seen on 2026-11-30.
# Guess: `list_nodes()` shows every VM, whatever the cloud: it takes no page, and gives none to go on from.
# Fact:  Azure's driver shows the first page, and does not follow the `nextLink` beside it: whatever is beyond is billed, and neither seen nor deleted by
#        "delete all that are not known". No list of it does: the driver does not know the word. Those for DigitalOcean and Linode show all.
# Seen (120 VMs, pages of 50):
#        azure_arm: 50 nodes, 1 page asked for
#        digitalocean: 120 nodes, 3 pages asked for
set -eu
python3=/usr/bin/python3
$python3 -c 'import requests' 2>/dev/null || apt-get install -qq -y --no-install-recommends python3 python3-requests
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq python3-libcloud=3.4.1-5 2>/dev/null
dpkg-deb --extract python3-libcloud_*.deb root
cat >seen.py <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from libcloud.common.azure_arm import AzureResourceManagementConnection
from libcloud.compute.providers import get_driver

pages = 0


class Cloud(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        global pages
        pages += 1
        url = urlparse(self.path)
        page = int(parse_qs(url.query).get("page", ["1"])[0])
        ids = range(page * 50 - 50, min(page * 50, 120))
        link = "http://127.0.0.1:%d%s?page=%d"
        if url.path.endswith("/virtualMachines"):
            about = {"provisioningState": "Succeeded", "networkProfile": {"networkInterfaces": []}}
            answer = {"value": [{"id": "/vm/%d" % i, "name": "vm-%d" % i, "location": "eastus", "properties": about} for i in ids]}
            if page < 3:
                answer["nextLink"] = link % (port, url.path, page + 1)
        else:
            about = {"status": "active", "networks": {"v4": []}, "image": {}, "size": {}, "region": {}, "created_at": "2026-01-01T00:00:00Z"}
            answer = {"droplets": [{"id": i, "name": "vm-%d" % i, "size_slug": "s", **about} for i in ids], "links": {}}
            if page < 3:
                answer["links"] = {"pages": {"next": link % (port, url.path, page + 1), "last": link % (port, url.path, 3)}}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def log_in(connection):  # Its own wants Microsoft's server.
    connection.access_token, connection.expires_on = "token", "9999999999"


server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
port = server.server_port
threading.Thread(target=server.serve_forever, daemon=True).start()
AzureResourceManagementConnection.get_token_from_credentials = log_in
azure = get_driver("azure_arm")("tenant", "subscription", "key", "secret")
digitalocean = get_driver("digitalocean")("token", api_version="v2")
for name, driver, options in (("azure_arm", azure, {"ex_fetch_power_state": False}), ("digitalocean", digitalocean, {})):
    pages = 0
    driver.connection.secure = False
    driver.connection.connect(host="127.0.0.1", port=port)
    nodes = driver.list_nodes(**options)
    print("%s: %d nodes, %d page%s asked for" % (name, len(nodes), pages, "" if pages == 1 else "s"))
PY
output=$(PYTHONPATH=root/usr/lib/python3/dist-packages $python3 seen.py)
echo "$output"
echo "$output" | grep -q '^azure_arm: 50 nodes, 1 page asked for$'
echo "$output" | grep -q '^digitalocean: 120 nodes, 3 pages asked for$'
echo "as stated"
