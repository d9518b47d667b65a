"""Hetzner's own library for Python."""
import os

from hcloud import Client
from hcloud.images.domain import Image
from hcloud.locations.domain import Location
from hcloud.server_types.domain import ServerType
from life import NAME, URL, USER_DATA, live

client = Client(token=os.environ["TOKEN"], api_endpoint=f"{URL}/v1", poll_interval=0.1)


def create():
    image = client.images.get_by_name("ubuntu-24.04")
    answer = client.servers.create(
        name=NAME,
        server_type=ServerType(name="cx23"),
        # The library names things by their numbers where it has them.
        image=Image(id=image.id),
        location=Location(name="nbg1"),
        user_data=USER_DATA,
    )
    answer.action.wait_until_finished()
    return answer.server.id


def show(vm):
    server = client.servers.get_by_id(vm)
    assert server.datacenter is None and server.public_net.ipv6.ip.endswith("::/64"), server.public_net.ipv6
    return server.name, server.status == "running", server.public_net.ipv4.ip


live(
    list_names=lambda: [server.name for server in client.servers.get_all()],
    create=create,
    show=show,
    reboot=lambda vm: client.servers.get_by_id(vm).reboot().wait_until_finished(),
    remove=lambda vm: client.servers.get_by_id(vm).delete(),
)
