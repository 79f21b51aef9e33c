"""Everything is killed at random, and what is in the database afterwards is held to what must be.

    make chaos SEED=7 ROUNDS=20 VICTIM=engine,database

A round is the real workflow on a real Slurm and database over some hundred notes, in which
processes die, hang and find the disk full; whoever runs it does what the runbook says; then
`invariants.py` looks at every row, journal and request. A round's plan is drawn from its seed
before it begins, so that `SEED=7 ROUND=3` draws the same one again (what meets a kill is the
machine's).

notes.py       the notes, the tasks, and the one right answer to each
ledger.py      what the engines were asked, and which text was asked again for what reason
journals.py    what the journals accepted
invariants.py  what must hold at a round's end
plan.py        when who is killed, drawn from the seed
seen.py        who is there
victims.py     who of them is hit, and what is done to them
site.py        Slurm, databases and disks that outlive a round
project.py     a round's folder: configuration, driver, pool
round.py       a round, from its first command to its verdict
table.py       all rounds of a JSON as a table by victim
"""
