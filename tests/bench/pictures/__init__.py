"""`make bench-pictures`: what is done to pictures, measured against a phantom whose truth is known.

Each module `table_*.py` here is a table: `run() -> Table`, and where it has pictures to show `figures(folder)`.
"""
