"""Apache Libcloud's drivers, for the cloud that LIBCLOUD_DRIVER names. They know a host and no path, which is put before theirs here."""
import base64
import json
import os
from urllib.parse import urlsplit

from libcloud.common import google
from libcloud.compute.drivers.gce import GCENodeDriver
from libcloud.compute.drivers.linode import LinodeNodeDriverV4
from libcloud.compute.drivers.vultr import VultrNodeDriverV2
from libcloud.compute.types import NodeState
from life import NAME, URL, USER_DATA, live

AT = urlsplit(URL)


def at_cloud(connection_class):
    """The same connection, with the local cloud's mount before each of its paths."""

    class AtCloud(connection_class):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.host, self.port = AT.hostname, AT.port

        def morph_action_hook(self, action):
            return AT.path + super().morph_action_hook(action)

    return AtCloud


def vultr():
    class Driver(VultrNodeDriverV2):
        connectionCls = at_cloud(VultrNodeDriverV2.connectionCls)

    driver = Driver(os.environ["TOKEN"], api_version="2", secure=False)
    size = next(size for size in driver.list_sizes() if size.id == "vc2-1c-1gb")
    image = next(image for image in driver.list_images() if image.name == "Ubuntu 24.04 LTS x64")
    location = next(location for location in driver.list_locations() if location.id == "ams")
    return driver, lambda: driver.create_node(NAME, size, location, image=image, ex_userdata=USER_DATA)


def linode():
    class Driver(LinodeNodeDriverV4):
        connectionCls = at_cloud(LinodeNodeDriverV4.connectionCls)

    driver = Driver(os.environ["TOKEN"], api_version="4.0", secure=False)
    # It knows nothing of user data, which are put into what it sends.
    request = driver.connection.request

    def with_user_data(action, *args, **kwargs):
        if kwargs.get("method") == "POST" and action.endswith("/linode/instances"):
            metadata = {"user_data": base64.b64encode(USER_DATA.encode()).decode()}
            kwargs["data"] = json.dumps({**json.loads(kwargs["data"]), "metadata": metadata})
        return request(action, *args, **kwargs)

    driver.connection.request = with_user_data
    size = next(size for size in driver.list_sizes() if size.id == "g6-nanode-1")
    image = next(image for image in driver.list_images() if image.id == "linode/debian12")
    location = next(location for location in driver.list_locations() if location.id == "eu-central")
    return driver, lambda: driver.create_node(location, size, image=image, name=NAME, root_pass="Correct-Horse-9-Battery")


def log_in_at_cloud(login):
    """Makes the driver's own log-in ask the cloud's token server; its claim stays what it is."""
    make = login.__init__

    def made(self, *args, **kwargs):
        make(self, *args, **kwargs)
        self.host, self.port = AT.hostname, AT.port

    login.__init__ = made
    login.morph_action_hook = lambda self, action: AT.path + "/token"


def gce():
    log_in_at_cloud(google.GoogleServiceAcctAuthConnection)

    class Driver(GCENodeDriver):
        connectionCls = at_cloud(GCENodeDriver.connectionCls)

    with open(os.environ["KEY_FILE"], encoding="utf-8") as file:
        key = json.load(file)
    cache = os.path.join(os.environ["SCRATCH"], "tokens")
    driver = Driver(key["client_email"], key["private_key"], project=key["project_id"], datacenter="us-central1-a", credential_file=cache, secure=False)
    metadata = {"items": [{"key": "user-data", "value": USER_DATA}]}
    return driver, lambda: driver.create_node(NAME, "e2-micro", "ubuntu-2404-lts-amd64", ex_metadata=metadata)


driver, create = {"linode": linode, "vultr": vultr, "gce": gce}[os.environ["LIBCLOUD_DRIVER"]]()


def node(vm):
    return next(each for each in driver.list_nodes() if each.id == vm)


def show(vm):
    seen = node(vm)
    return seen.name, seen.state == NodeState.RUNNING, next((ip for ip in seen.public_ips if ip != "0.0.0.0"), None)


live(
    list_names=lambda: [each.name for each in driver.list_nodes()],
    create=lambda: create().id,
    show=show,
    reboot=lambda vm: driver.reboot_node(node(vm)),
    remove=lambda vm: driver.destroy_node(node(vm)),
)
