"""The web page for exploring stores: click on a plane, look through samples, compare networks.

Panel serves it on this machine only. Work that needs a network or a simulation runs in another process, see `work`.
"""
