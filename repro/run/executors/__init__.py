"""Where jobs run: worker processes of this machine, Ray, Slurm; one loop for all."""
