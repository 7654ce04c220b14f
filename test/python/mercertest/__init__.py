"""Shared helpers of Mercer's Python tests, benchmarks and demo."""
