"""The figures of many models as one table: typed, resumable, on one machine or a cluster.

``columns`` is the table; ``asked`` reads what is asked about and ``question`` how; ``work`` answers
for a batch of models, in whichever process; ``crews`` are those processes, and ``hire`` finds them;
``drive`` hands batches out within the Hub's budget (``budget``); ``output`` writes them so that
nothing is lost or twice.
"""
