"""The page on which stores are explored: click on a plane, look through samples, compare networks.

Panel serves it on this machine alone. What needs a network or a simulation is done by another process, see `work`.
"""
