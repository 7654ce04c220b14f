"""The models that the tests, the benchmarks and the demo compile. `registry.py` lists them by name."""
