"""DirkDB: a replicated SQL database whose language is SQL in Malagasy."""

#: The one place that holds the version; setup.py reads it from here.
__version__ = "2.3.0"
