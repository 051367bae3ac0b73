"""Parts that listen on every address are reached at the `host` that the file names for them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

from tests.cluster import Cluster, message, wait_for

PROXY, NODE = "127.0.0.2", "127.0.0.3"


def connected_to(host: str, port: int) -> bool:
    """Whether some process of this machine has a connection to the address."""
    (number,) = struct.unpack("<I", bytes(map(int, host.split("."))))
    wanted = f"{number:08X}:{port:04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[2:4] == [wanted, "01"] for line in lines)


def test_nodes_reach_the_proxy_and_the_proxy_the_nodes_at_their_host(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(settings={"loadBalancer": {"host": PROXY, "listenHost": "0.0.0.0"}})
    nodes = [one | {"host": NODE, "listenHost": "0.0.0.0"} for one in cluster.config["instances"]]
    cluster.config_path.write_text(json.dumps(cluster.config | {"instances": nodes}), encoding="utf-8")
    cluster.start("m1", "m2", "proxy")
    assert message(cluster.ask("proxy", "manamboara tahiry vao;")).endswith("soamantsara")
    assert message(cluster.ask("m1", "manamboara tahiry faharoa;")).endswith("soamantsara")
    wait_for(lambda: connected_to(PROXY, cluster.ports["proxy"]), 10, "a connection to the proxy at its host")
    assert "vao" in cluster.ask("proxy", "asehoy ny tahiry;")
    cluster.ask("proxy", "ampiasao vao; asehoy ny tabilao;")
    wait_for(
        lambda: any(connected_to(NODE, cluster.ports[one]) for one in ("m1", "m2")), 10, "a connection to a node"
    )
