"""A stand-in for `ollama`, for what a real one can't be made to do on command.

It speaks Ollama's HTTP interface, reads the same environment, keeps the same store layout and
starts a child process as its runner, but the model is a few lines of Python: an answer obeys the
JSON schema and tells which note and whether a system prompt it was made from (answers.py).

    python -m tests.servers.standin serve        or        tests/servers/standin/ollama serve

STANDIN_ERA      middle (0.24.0, the default) or new (0.33.0): what happens to a
                 prompt that is too long, and how some errors read
STANDIN_FAULTS   a JSON file, a list of what shall go wrong (faults.py)
STANDIN_JOURNAL  a file that gets one JSON line for each chat request received
STANDIN_LEDGER   a file that tells when each was asked and when its answer was sent (ledger.py)

Standard library only; it starts in a fraction of a second.
"""
