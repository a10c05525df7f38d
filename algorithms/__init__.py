"""The thin shell: one file per algorithm, which declares parameters, calls one core function and reports."""
