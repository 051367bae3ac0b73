"""The config file: what loads, how, and the sentence for everything that is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dirk_gevent.config import loader, settings
from dirk_gevent.config.settings import ReadStrategy, Role, WriteMode
from dirk_gevent.config.strict_json import ConfigError
from tests.cluster import ROOT

VERSION_1 = {
    "configVersion": 1,
    "loadBalancer": {"listenHost": "0.0.0.0", "listenPort": 4049},
    "instances": [
        {"id": "m1", "role": "MASTER", "host": "127.0.0.1", "port": 4048, "dataDirectory": "data/m1"},
        {"id": "m2", "role": "REPLICA", "host": "127.0.0.1", "port": 4050, "dataDirectory": "/srv/m2"},
    ],
    "routing": {
        "reads": {"strategy": "ROUND_ROBIN", "includeRoles": ["MASTER"]},
        "writes": {"mode": "MULTI_PRIMARY", "partition": "DB_OBJECT", "hash": "RENDEZVOUS"},
    },
    "replication": {"type": "FILE", "intervalSeconds": 2},
}


def minimal(**over: Any) -> dict[str, Any]:
    """The least a version 2 file can hold, with `over` put over it."""
    return {"configVersion": 2, "loadBalancer": {}, "instances": [{"id": "m1", "port": 4048}]} | over


def load(directory: Path, content: object, environ: dict[str, str] | None = None) -> settings.Config:
    path = directory / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return loader.load(path, environ or {})


def refusal(directory: Path, content: object, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(directory, content, environ)
    return str(caught.value)


def test_the_checkout_s_own_file_loads_without_notice() -> None:
    found = loader.load(ROOT / "config.json", {})
    assert [(one.id, one.role, one.port) for one in found.instances] == [
        ("m1", Role.MASTER, 3948),
        ("m2", Role.MASTER, 3950),
    ]
    assert found.load_balancer == settings.LoadBalancer("127.0.0.1", 3949)
    assert found.notices == ()


def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    """Windows' Notepad writes one."""
    marked = load(tmp_path, "\ufeff" + json.dumps(minimal()))
    assert marked == load(tmp_path, json.dumps(minimal()))


@pytest.mark.parametrize("content", ["", " \n", "\ufeff"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: str) -> None:
    assert refusal(tmp_path, content).endswith("is empty: it holds no settings")


def test_defaults_are_those_of_the_dataclasses(tmp_path: Path) -> None:
    found = load(tmp_path, minimal())
    assert found.limits == settings.Limits()
    assert found.cache == settings.CacheSettings()
    assert found.routing == settings.Routing()
    assert found.replication.interval_seconds == 0.5
    assert found.language == "mg"
    assert found.instances[0].host == "127.0.0.1"


def test_relative_directories_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load(tmp_path, minimal(log={"directory": "journal"}))
    assert found.instances[0].data_directory == tmp_path / "data/m1"
    assert found.log.directory == tmp_path / "journal"


def test_version_1_loads_and_says_how_each_setting_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, VERSION_1)
    assert found.instances[0].data_directory == tmp_path / "data/m1"
    assert found.instances[1].data_directory == Path("/srv/m2")
    assert found.routing.writes.mode is WriteMode.MULTI_PRIMARY
    assert found.replication == settings.Replication()
    said = "\n".join(found.notices)
    for setting in (
        "loadBalancer: the proxy listens on 0.0.0.0:4049",
        "instances[].dataDirectory: relative to the file",
        "routing.reads: ROUND_ROBIN",
        "routing.writes: MULTI_PRIMARY by DB_OBJECT and RENDEZVOUS",
        'replication.type: "FILE" is read as LOG',
        "replication.intervalSeconds: 2 is not used",
    ):
        assert setting in said


def test_version_1_values_that_nobody_knows_load_with_a_notice(tmp_path: Path) -> None:
    odd = VERSION_1 | {
        "routing": {
            "reads": {"strategy": "FASTEST"},
            "writes": {"mode": "ANY", "partition": "TABLE", "hash": "MD5"},
        },
        "replication": {"type": "FILE", "intervalSeconds": 2, "tombstone": {"suffix": ".tombstone"}},
    }
    found = load(tmp_path, odd)
    assert found.routing.reads.strategy is ReadStrategy.ROUND_ROBIN
    said = "\n".join(found.notices)
    for value in ('routing.reads.strategy: "FASTEST"', 'writes.mode: "ANY"', 'partition: "TABLE"', 'hash: "MD5"'):
        assert value in said
    assert "replication.tombstone: is not used" in said


def test_language_of_the_environment_outweighs_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, minimal(language="fr")).language == "fr"
    assert load(tmp_path, minimal(language="fr"), {"DIRK_LANG": "en"}).language == "en"
    assert refusal(tmp_path, minimal(), {"DIRK_LANG": "de"}) == 'DIRK_LANG: "de" is not one of mg, fr, en'


def test_a_single_node_needs_no_load_balancer(tmp_path: Path) -> None:
    alone = minimal()
    del alone["loadBalancer"]
    assert load(tmp_path, alone).load_balancer is None


TWO = [{"id": "m1", "port": 4048}, {"id": "m2", "port": 4050}]

WRONG: list[tuple[object, str]] = [
    ("{", "line 1, column 2: Expecting property name enclosed in double quotes"),
    ("[]", "the file: [] is not an object"),
    ('{"configVersion": 2, "configVersion": 2}', "configVersion: is given twice in one object"),
    ({}, "configVersion: is missing"),
    (minimal(configVersion=3), "configVersion: 3 is above 2"),
    (minimal(configVersion="2"), 'configVersion: "2" is not a whole number'),
    (minimal(configVersion=True), "configVersion: true is not a whole number"),
    (minimal(lenguage="fr"), "lenguage: is not a known key, did you mean language?"),
    (minimal(language="de"), 'language: "de" is not one of mg, fr, en'),
    (minimal(instances={}), "instances: {} is not a list"),
    (minimal(instances=[]), "instances: none of them is a MASTER, nothing could be written"),
    (minimal(instances=[{"id": "m1"}]), "instances[0].port: is missing"),
    (minimal(instances=[7]), "instances[0]: 7 is not an object"),
    (minimal(instances=[{"id": "a/b", "port": 1}]), 'instances[0].id: "a/b" is not 1 to 64 letters, digits,'),
    (minimal(instances=[{"id": "m", "port": 1, "role": "X"}]), 'instances[0].role: "X" is not one of MASTER, REPLICA'),
    (minimal(instances=[TWO[0], {"id": "m2", "port": 70000}]), "instances[1].port: 70000 is above 65535"),
    (minimal(instances=[TWO[0], {"id": "m2", "port": 0}]), "instances[1].port: 0 is below 1"),
    (minimal(instances=[TWO[0], {"id": "m2", "port": 1, "host": ""}]), "instances[1].host: is empty"),
    (minimal(instances=[TWO[0], {"id": "m1", "port": 1}]), 'instances[1].id: "m1" is already that of instances[0].id'),
    (
        minimal(instances=[TWO[0], {"id": "m2", "port": 4048}]),
        "instances[1].port: 127.0.0.1:4048 is already that of instances[0].port",
    ),
    (
        minimal(instances=[TWO[0], {"id": "m2", "port": 3949}]),
        "instances[1].port: 127.0.0.1:3949 is already that of loadBalancer.listenPort",
    ),
    (minimal(loadBalancer=None, instances=TWO), "loadBalancer: is missing, and more than one instance needs it"),
    (minimal(loadBalancer={"listenPrt": 1}), "loadBalancer.listenPrt: is not a known key, did you mean listenPort?"),
    (minimal(routing={"reads": {"strategy": "X"}}), 'routing.reads.strategy: "X" is not one of ROUND_ROBIN,'),
    (minimal(routing={"reads": {"includeRoles": []}}), "routing.reads.includeRoles: [] is not a list of at least"),
    (minimal(routing={"reads": {"includeRoles": ["X"]}}), 'routing.reads.includeRoles[0]: "X" is not one of MASTER,'),
    (minimal(routing={"writes": {"mode": 1}}), "routing.writes.mode: 1 is not one of PRIMARY, MULTI_PRIMARY"),
    (minimal(replication={"type": "FILE"}), 'replication.type: "FILE" is not one of LOG'),
    (minimal(replication={"intervalSeconds": 0}), "replication.intervalSeconds: 0 is below 0.05"),
    (minimal(log={"retainBytes": 1.5}), "log.retainBytes: 1.5 is not a whole number"),
    (minimal(limits={"statementSeconds": "x"}), 'limits.statementSeconds: "x" is not a number'),
    (minimal(limits={"pageRows": -1}), "limits.pageRows: -1 is below 1"),
    (minimal(cache={"maxBytes": -1}), "cache.maxBytes: -1 is below 0"),
    (minimal(cache=[]), "cache: [] is not an object"),
    (
        minimal(routing={"reads": {"includeRoles": ["REPLICA"]}}),
        "routing.reads.includeRoles: no instance is a REPLICA, nothing could be read",
    ),
    (
        minimal(loadBalancer={"host": "0.0.0.0"}),
        'loadBalancer.host: "0.0.0.0" is no address to connect to; it belongs in listenHost',
    ),
    (
        minimal(instances=[{"id": "m1", "port": 1, "host": "::", "listenHost": "::"}]),
        'instances[0].host: "::" is no address to connect to; it belongs in listenHost',
    ),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG, ids=lambda value: str(value)[:40])
def test_refusals_name_the_key_and_what_is_wrong(tmp_path: Path, content: object, sentence: str) -> None:
    found = refusal(tmp_path, content)
    assert found.startswith(sentence)
    assert "\n" not in found


def test_directories_of_two_parts_differ(tmp_path: Path) -> None:
    shared = [{"id": "m1", "port": 4048, "dataDirectory": "d"}, {"id": "m2", "port": 4050, "dataDirectory": "./d"}]
    said = refusal(tmp_path, minimal(instances=shared))
    assert said == f"instances[1].dataDirectory: {tmp_path}/d is already that of instances[0].dataDirectory"


#: Spellings of hosts of which two parts on one port would meet, and those that are two machines or addresses.
ONE_ADDRESS = [
    ("127.0.0.1", "localhost"),
    ("LocalHost.", "127.1"),
    ("0.0.0.0", "127.0.0.1"),
    ("127.0.0.1", "0.0.0.0"),
    ("::", "127.0.0.1"),
    ("::1", "0:0:0:0:0:0:0:1"),
    ("::ffff:10.0.0.1", "10.0.0.1"),
    ("db.example.org", "DB.example.org."),
    ("2130706433", "0x7f.0.0.1"),
]
TWO_ADDRESSES = [("127.0.0.1", "127.0.0.2"), ("10.0.0.1", "10.0.0.2"), ("a.example.org", "b.example.org"), ("a", "a.b")]


@pytest.mark.parametrize(("first", "second"), ONE_ADDRESS)
def test_one_port_under_two_spellings_of_a_host_is_refused(tmp_path: Path, first: str, second: str) -> None:
    said = refusal(
        tmp_path,
        minimal(instances=[{"id": "m1", "port": 1, "host": first}, {"id": "m2", "port": 1, "host": second}]),
    )
    assert said == (
        f'instances[1].port: {second}:1 is already that of instances[0].port ("{first}", the same machine)'
    )
    said = refusal(
        tmp_path,
        minimal(loadBalancer={"listenHost": first}, instances=[{"id": "m1", "port": 3949, "host": second}]),
    )
    assert said.startswith(f"instances[0].port: {second}:3949 is already that of loadBalancer.listenPort")


@pytest.mark.parametrize(("first", "second"), TWO_ADDRESSES)
def test_one_port_at_two_addresses_is_taken(tmp_path: Path, first: str, second: str) -> None:
    for listen in ({}, {"listenHost": "0.0.0.0"} if first[0] != "1" or first[1] != "2" else {}):
        two = [{"id": "m1", "port": 1, "host": first, **listen}, {"id": "m2", "port": 1, "host": second, **listen}]
        found = load(tmp_path, minimal(instances=two))
        assert [one.reached_at for one in found.instances] == [first, second]


@pytest.mark.parametrize(
    ("log", "node", "sentence"),
    [
        ("data", "data/m1", "instances[0].dataDirectory: {}/data/m1 is inside that of log.directory"),
        ("data/m1/log", "data/m1", "instances[0].dataDirectory: that of log.directory is inside {}/data/m1"),
        ("journal", ".", "instances[0].dataDirectory: that of log.directory is inside {}"),
        ("link/log", "data/m1", "instances[0].dataDirectory: that of log.directory is inside {}/data/m1"),
    ],
)
def test_directories_inside_each_other_are_refused(tmp_path: Path, log: str, node: str, sentence: str) -> None:
    (tmp_path / "link").symlink_to("data/m1")
    wanted = minimal(log={"directory": log}, instances=[{"id": "m1", "port": 4048, "dataDirectory": node}])
    assert refusal(tmp_path, wanted).startswith(sentence.format(tmp_path))


def test_links_in_a_circle_and_other_programs_files_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for there in ("a/log", "a"):
        assert refusal(tmp_path, minimal(log={"directory": there})).startswith(f'log.directory: "{there}": ')
    with pytest.raises(ConfigError, match="is longer than 16777216 bytes"):
        loader.load(Path("/dev/zero"))


def test_who_listens_on_every_address_is_reached_at_its_host(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    nodes = [
        {"id": "m1", "port": 4048, "host": "10.0.0.1"},
        {"id": "m2", "port": 4048, "host": "10.0.0.2", "listenHost": "0.0.0.0"},
    ]
    found = load(tmp_path, minimal(loadBalancer={"host": "db.example.org", "listenHost": "0.0.0.0"}, instances=nodes))
    assert found.load_balancer is not None
    assert (found.load_balancer.reached_at, found.load_balancer.listen_host) == ("db.example.org", "0.0.0.0")
    assert [(one.reached_at, one.listens_on) for one in found.instances] == [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.2", "0.0.0.0"),
    ]
    assert found.notices == ()


def test_a_file_without_host_beside_every_address_works_as_before_and_says_what_it_means(tmp_path: Path) -> None:
    one_machine = [{"id": "m1", "port": 4048, "host": "0.0.0.0"}, {"id": "m2", "port": 4049}]
    found = load(tmp_path, minimal(loadBalancer={"listenHost": "0.0.0.0"}, instances=one_machine))
    assert found.load_balancer is not None
    assert found.load_balancer.reached_at == "127.0.0.1"
    assert [(one.reached_at, one.listens_on) for one in found.instances] == [
        ("127.0.0.1", "0.0.0.0"),
        ("127.0.0.1", "127.0.0.1"),
    ]
    assert found.notices == ()
    two_machines = [one_machine[0], {"id": "m2", "port": 4049, "host": "10.0.0.2"}]
    said = load(tmp_path, minimal(loadBalancer={"listenHost": "0.0.0.0"}, instances=two_machines)).notices
    assert [one.partition(":")[0] for one in said] == ["loadBalancer.host", "instances[0].host"]
    assert "looks for the proxy on its own machine (127.0.0.1)" in said[0]


def test_files_that_can_t_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        loader.load(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="is a directory"):
        loader.load(tmp_path)
    (tmp_path / "latin").write_bytes(b'{"language": "\xe9"}')
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        loader.load(tmp_path / "latin")


def test_find_prefers_the_option_then_the_environment() -> None:
    assert loader.find("a.json", {"DIRK_CONFIG_PATH": "b.json"}) == Path("a.json")
    assert loader.find(None, {"DIRK_CONFIG_PATH": "b.json"}) == Path("b.json")
    assert loader.find(None, {}) == Path("config.json")
