"""`python -m benchmarks.operations` measures this part alone."""

from benchmarks.operations import main

main()
