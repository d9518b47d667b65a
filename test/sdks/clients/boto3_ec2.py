"""AWS's own library for Python. Region and credentials come from the environment."""
import urllib.request

import boto3
from life import NAME, URL, USER_DATA, live

ec2 = boto3.resource("ec2", endpoint_url=URL)
ALIVE = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped", "shutting-down"]}]


def name_of(instance):
    return next(tag["Value"] for tag in instance.tags if tag["Key"] == "Name")


def create():
    names = [{"Name": "name", "Values": ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"]}]
    images = sorted(ec2.images.filter(Owners=["099720109477"], Filters=names), key=lambda image: image.creation_date)
    (instance,) = ec2.create_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=images[-1].id,
        InstanceType="t4g.nano",
        UserData=USER_DATA,
        SecurityGroups=["default"],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": NAME}]}],
    )
    return instance.id


def show(vm):
    instance = ec2.Instance(vm)
    is_running = instance.state["Name"] == "running"
    if is_running:
        assert instance.network_interfaces_attribute[0]["Association"]["PublicIp"] == instance.public_ip_address
        assert instance.block_device_mappings[0]["Ebs"]["VolumeId"].startswith("vol-")
        assert instance.launch_time.microsecond == 0
    return name_of(instance), is_running, instance.public_ip_address


def remove(vm):
    # A URL that carries its signature is asked by GET, by whoever has it.
    signed = ec2.meta.client.generate_presigned_url("describe_instances", Params={"InstanceIds": [vm]}, HttpMethod="GET")
    with urllib.request.urlopen(signed) as answer:
        assert vm in answer.read().decode()
    ec2.Instance(vm).terminate()
    ec2.meta.client.get_waiter("instance_terminated").wait(InstanceIds=[vm], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    assert ec2.Instance(vm).state_reason["Code"] == "Client.UserInitiatedShutdown"


live(
    list_names=lambda: [name_of(instance) for instance in ec2.instances.filter(Filters=ALIVE)],
    create=create,
    show=show,
    reboot=lambda vm: ec2.Instance(vm).reboot(),
    remove=remove,
)
