"""`python -m benchmarks.growth` measures this part alone."""

from benchmarks.growth import main

main()
