"""What courier companies have in common: jobs, drivers who drive, a pace, and behaviour that can be set.

A company is a provider under `sandbox/providers/` whose class extends `company.CourierCompany`: it says which of its
own words stand for which stage, and what it tells its customers when a job moves.
"""
