"""THE LOOP: windows, sweeps, de-duplication, checkpoints."""
