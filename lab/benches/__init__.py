"""One module for each benchmark; its name with dashes is what `lab/run` calls it."""
