"""Exchanges per second of a centre, against plain copies of the same bytes over loopback by as many processes.

    python bench/networks_exchange.py [--values 1000000] [--clients 2] [--rounds 5] [--seconds 2]

The limit is what two threads of one process can receive and send back: as many bytes up and down, the same settings of
the sockets, into memory that is there already, and nothing is done with them. Both are measured in turn in every round.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.trainers.wire import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapidml.trainers.weights import Weights

SECRET = bytes(32)


def copy_plainly(port: int, n_values: int, seconds: float) -> float:
    """A client of the plain copy: trips per second."""
    up, down = np.zeros(n_values, np.float32), np.empty(n_values, np.float32)
    with socket.create_connection(("127.0.0.1", port)) as line:
        prepare(line)

        def trip() -> None:
            line.sendall(up.data.cast("B"))
            fill(line, down.data.cast("B"))

        return time_trips(trip, seconds)


def time_trips(trip: Callable[[], object], seconds: float) -> float:
    for _ in range(5):
        trip()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        trip()
        done += 1
    return done / (time.perf_counter() - began)


def fill(line: socket.socket, view: memoryview) -> bool:
    done = 0
    while done < len(view):
        n_bytes = line.recv_into(view[done:])
        if not n_bytes:
            return False
        done += n_bytes
    return True


def serve_plainly(clients: int, n_values: int, ports: Any) -> None:
    """The other side of the plain copy."""

    def serve(line: socket.socket) -> None:
        with line:
            prepare(line)
            memory, answer = np.empty(n_values, np.float32), np.ones(n_values, np.float32)
            while fill(line, memory.data.cast("B")):
                line.sendall(answer.data.cast("B"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports.send(listener.getsockname()[1])
        threads = [threading.Thread(target=serve, args=(listener.accept()[0],)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def exchange(address: tuple[str, int], replica: int, n_values: int, seconds: float) -> float:
    """A replica that does nothing but push and pull: exchanges per second."""
    from rapidml.trainers.centre_client import CentreClient
    from rapidml.trainers.shard_work import Window

    weights = make_weights(n_values)
    with CentreClient(address, SECRET, replica, weights) as client:
        reply = client.join()

        def trip() -> None:
            nonlocal reply
            assert isinstance(reply.item, Window)
            reply = client.push(weights, reply.item, [0.5])

        return time_trips(trip, seconds)


def serve_exchange(name: str, clients: int, n_values: int, ports: Any, ends: Any) -> None:
    """A served centre, until told to end."""
    from rapidml.models.trainer_plan import read_trainer
    from rapidml.recipe.schema import Choice
    from rapidml.trainers.centre import Centre
    from rapidml.trainers.exchange import serve_centre

    plan = read_trainer(Choice(name=name, options={"replicas": clients, "window": 1}))
    assert plan is not None
    centre = Centre(plan, [make_weights(n_values)], rows=[10**9] * clients, epochs=1, batch_size=1, is_evaluated=False)
    with serve_centre(centre, "127.0.0.1", SECRET) as server:
        ports.send(server.address)
        ends.recv()


def make_weights(n_values: int) -> Weights:
    """Weights as of a network with some layers."""
    from rapidml.trainers.weights import Weights

    width = int((n_values / 3) ** 0.5)
    shapes = [(width, width)] * 3 + [(n_values - 3 * width * width,)]
    return Weights([np.zeros(shape, np.float32) for shape in shapes], [])


def in_processes(function: Callable[..., float], arguments: list[tuple[Any, ...]]) -> float:
    """The sum of what a function gives in several processes at once."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(len(arguments)) as pool:
        pool.starmap(warm_up, [()] * len(arguments), chunksize=1)
        return sum(pool.starmap(function, arguments, chunksize=1))


def warm_up() -> None:
    """Import what is measured, before the time runs."""
    import rapidml.trainers.centre_client  # noqa: F401

    time.sleep(0.3)  # a pool tells nobody which process took a task: this one is busy, so the next takes the other


def measure_copies(clients: int, n_values: int, seconds: float) -> float:
    """Plain copies up and down, per second, of all clients together."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve_plainly, args=(clients, n_values, theirs))
    server.start()
    port = ours.recv()
    found = in_processes(copy_plainly, [(port, n_values, seconds)] * clients)
    server.join()
    return found


def measure_exchanges(name: str, clients: int, n_values: int, seconds: float) -> float:
    """Exchanges per second of all replicas together."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve_exchange, args=(name, clients, n_values, theirs, theirs))
    server.start()
    address = ours.recv()
    found = in_processes(exchange, [(address, replica, n_values, seconds) for replica in range(clients)])
    ours.send("end")
    server.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=1_000_000, help="float32 weights")
    parser.add_argument("--clients", type=int, default=2, help="processes that exchange")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--trainers", default="downpour,adag_staleness,aeasgd", help="with commas between them")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in workers of Dask; the processes to come heed it
    size = (arguments.clients, arguments.values, arguments.seconds)
    names = arguments.trainers.split(",")
    rates: dict[str, list[float]] = {name: [] for name in ("plain copy", *names)}
    for _ in range(arguments.rounds):
        rates["plain copy"].append(measure_copies(*size))
        for name in names:
            rates[name].append(measure_exchanges(name, *size))
    print(f"{arguments.values:,} float32 values, {arguments.clients} processes, {arguments.rounds} rounds; per second:")
    for name, found in rates.items():
        ratios = [one / limit for one, limit in zip(found, rates["plain copy"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} of the copy [{min(ratios):.2f}, {max(ratios):.2f}]"
        print(f"  {name:16}{statistics.median(found):8.1f}   {spread}")


if __name__ == "__main__":
    main()
