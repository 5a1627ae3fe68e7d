"""A store in a schema of a PostgreSQL database: `postgresql://HOST/DB?schema=NAME`.

Forks, gaps, false links and lines after the end of a run are impossible by the keys of its tables,
for every client. Everybody but the owner writes through functions of the owner.
"""

from aivcs.backends.postgres.backend import PostgresBackend as PostgresBackend
