"""The chaos harness: see docs/chaos.md."""
