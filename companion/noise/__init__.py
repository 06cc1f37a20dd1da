"""Refinement of a corrupted network (notebook 04)."""

from companion.noise.run import NoiseSettings, NoiseTables, run_noise

__all__ = ["NoiseSettings", "NoiseTables", "run_noise"]
