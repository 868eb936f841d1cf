"""The clock of PostProber: `python scheduler.py`."""

from postprober.cli.main import run_scheduler

if __name__ == "__main__":
    run_scheduler()
