"""Data sets, their partition over devices, and the batches that devices draw."""
