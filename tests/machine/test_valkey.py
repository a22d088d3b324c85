"""The embedded broker: keeps what it was given, over stops and kills, and speaks Celery's dialect."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection

from sandbox.machine.valkey import Valkey


@pytest.fixture
def server(home: Path) -> Iterator[Valkey]:
    server = Valkey(home)
    yield server
    server.destroy()


def test_messages_survive_a_stop_and_a_second_start(server: Valkey):
    server.start()
    with redis.Redis.from_url(server.live_url) as client:
        client.rpush("queue", "a", "b")
    server.stop()
    server.start()
    with redis.Redis.from_url(server.live_url) as client:
        assert client.lrange("queue", 0, -1) == [b"a", b"b"]


def test_the_socket_of_a_killed_server_does_not_hinder_the_next(server: Valkey):
    server.start()
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    assert server.socket.exists()
    server.start()
    with redis.Redis.from_url(server.live_url) as client:
        assert client.ping()


def test_celery_and_the_redis_client_mean_the_same_database(server: Valkey):
    server.start()
    with Connection(f"{server.url}?virtual_host=7") as connection:
        connection.SimpleQueue("parcels").put({"n": 1})
    with redis.Redis.from_url(f"{server.live_url}?db=7") as client:
        assert client.llen("parcels") == 1
