"""Parts of Ray that it does not document; no other module touches such parts. All are of Ray 2.55 to 2.58."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ray._private import parameter, ray_constants

_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@contextmanager
def one_machine() -> Iterator[None]:
    """Let the Ray that is started in the block be that of one machine: on its loopback, without an autoscaler.

    Ray replaces ``_node_ip_address="127.0.0.1"`` by the machine's address. It keeps to the loopback where it
    may not build a cluster, as by default on macOS and Windows; its processes inherit the variable that says so,
    which this process has read already. The autoscaler, and what copies workers' logs to the driver, are
    processes that take half a second or more to start; no argument of ``ray.init`` leaves them out.
    """
    before = os.environ.get(_CLUSTERS), ray_constants.ENABLE_RAY_CLUSTER, parameter.RayParams
    os.environ[_CLUSTERS], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    parameter.RayParams = partial(before[2], no_monitor=True, include_log_monitor=False)
    try:
        yield
    finally:
        _, ray_constants.ENABLE_RAY_CLUSTER, parameter.RayParams = before
        if before[0] is None:
            del os.environ[_CLUSTERS]
        else:
            os.environ[_CLUSTERS] = before[0]
