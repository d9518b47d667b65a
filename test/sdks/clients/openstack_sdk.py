"""openstacksdk, OpenStack's own, with an application credential; Nova by the microversion that it picks itself."""
import base64
import os

import openstack
from life import NAME, URL, USER_DATA, live

cloud = openstack.connect(
    auth_type="v3applicationcredential",
    auth={
        "auth_url": f"{URL}/v3",
        "application_credential_id": os.environ["CREDENTIAL_ID"],
        "application_credential_secret": os.environ["CREDENTIAL_SECRET"],
    },
    region_name="RegionTwo",
)
compute = cloud.compute


def named(resources, name):
    return next(each.id for each in resources if each.name == name)


def create():
    server = compute.create_server(
        name=NAME,
        flavor_id=named(compute.flavors(), "m1.small"),
        image_id=named(cloud.image.images(), "Debian 12"),
        networks=[{"uuid": named(cloud.network.networks(), "Ext-Net")}],
        user_data=base64.b64encode(USER_DATA.encode()).decode(),
    )
    return server.id


def show(vm):
    server = compute.get_server(vm)
    addresses = [each["addr"] for network in (server.addresses or {}).values() for each in network if each["version"] == 4]
    return server.name, server.status == "ACTIVE", next(iter(addresses), None)


live(
    list_names=lambda: [server.name for server in compute.servers()],
    create=create,
    show=show,
    reboot=lambda vm: compute.reboot_server(vm, "SOFT"),
    remove=compute.delete_server,
)
