"""`python -m postprober.sandbox --port 8900 --data-dir data`: the sandbox as a process, on 127.0.0.1 only."""

import argparse
from pathlib import Path

import uvicorn

from postprober.sandbox.engine.world import World
from postprober.sandbox.serve import config, free_socket


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m postprober.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--data-dir", type=Path, default=None, help="keep the state here; without it, in memory only")
    parser.add_argument("--seed", type=int, default=7, help="shapes account ids and engagement")
    arguments = parser.parse_args()
    world = World(arguments.data_dir, seed=arguments.seed)
    listening = free_socket(arguments.port)
    print(f"sandbox on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(config(world)).run(sockets=[listening])
    world.store.close()


if __name__ == "__main__":
    main()
