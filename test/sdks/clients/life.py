"""As life.mjs, for clients in Python: takes a VM through its life, and tells each step in a line of JSON."""
import json
import os
import time

URL, NAME, USER_DATA = (os.environ[key] for key in ("CLOUD_URL", "VM_NAME", "VM_USER_DATA"))
PATIENCE_SECONDS = 20
LOOK_SECONDS = 0.05
# Longer than a boot takes at the test's cloud.
BOOT_SECONDS = 0.5


def until(look, is_so):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = look()
        if is_so(seen):
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"it stays so: {seen}")
        time.sleep(LOOK_SECONDS)


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}), flush=True)


def live(list_names, create, show, reboot, remove):
    """`show(id)` gives (name, is running, address)."""
    tell("list", names=list_names())
    vm = create()
    tell("create")
    name, _, address = until(lambda: show(vm), lambda seen: seen[1] and seen[2])
    tell("show", name=name, address=address)
    tell("list", names=list_names())
    time.sleep(BOOT_SECONDS)
    reboot(vm)
    tell("reboot")
    time.sleep(BOOT_SECONDS)
    until(lambda: show(vm), lambda seen: seen[1])
    remove(vm)
    tell("delete")
    tell("list", names=until(list_names, lambda names: names == []))
