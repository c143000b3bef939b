"""`make bench`: the API beside its floor; the other benchmarks are named in the README."""

from benchmarks.api import main

main()
