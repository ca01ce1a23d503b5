"""What benches/compare.py measures, a module for each part; `tools` is what they share."""
