"""Simulated providers over real HTTP, in a process of their own, for the demo, the tests and the benchmarks."""
