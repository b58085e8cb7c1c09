"""The same for chargers that connect directly: every request of ours with every fault of a charge
point. `peer` is the charge point, `table` what goes wrong and what has to come of it, `rig` the
central system behind two doors, `cells` what is asserted of each cell. `quirk_table` and
`quirk_cells` are the same of twins that differ in all they say, not in one answer."""
