"""Measuring and tuning a user's own pipeline: load, figures, trials, decisions.

The command line (``sluiceway bench``, ``sluiceway tune``) is in ``cli``; nothing here
prints or reads arguments.
"""
