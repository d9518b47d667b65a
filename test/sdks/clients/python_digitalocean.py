"""The most used library for DigitalOcean in Python. It takes the API's address from DIGITALOCEAN_END_POINT."""
import os

import digitalocean
from life import NAME, USER_DATA, live

TOKEN = os.environ["TOKEN"]
manager = digitalocean.Manager(token=TOKEN)


def create():
    droplet = digitalocean.Droplet(
        token=TOKEN, name=NAME, region="ams3", image="ubuntu-24-04-x64", size_slug="s-1vcpu-1gb", user_data=USER_DATA, ipv6=True
    )
    droplet.create()
    for action in droplet.get_actions():
        action.wait(1)
    return droplet.id


def show(vm):
    droplet = manager.get_droplet(vm)
    assert droplet.status != "active" or droplet.ip_v6_address.startswith("2001:db8:"), droplet.ip_v6_address
    return droplet.name, droplet.status == "active", droplet.ip_address


live(
    list_names=lambda: [droplet.name for droplet in manager.get_all_droplets()],
    create=create,
    show=show,
    reboot=lambda vm: manager.get_droplet(vm).reboot(),
    remove=lambda vm: manager.get_droplet(vm).destroy(),
)
