"""THE LOOP: windows, sweeps, de-duplication, checkpoints.

``runner`` runs one ``worker`` a stream; a worker asks ``plan`` what is due, reads it with ``reader``, and gives the
records to one ``delivery`` a sink, which keeps its promises with the help of ``store``.
"""
