"""What runs inside the jail: standard library only, no other part of Ponder.

The zygote (a freshly started Python with an empty environment) builds a private root, enters its namespaces, imports
what solutions use, and forks one worker for each job. It is started with this package alone on its path, as `jail`.
"""
