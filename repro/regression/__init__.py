"""Has the code moved? One step and one evaluation from frozen weights, held against what a baseline says of them."""
