"""What benchmarks share: hosts made of network namespaces, processes that end for sure, players, reports."""
