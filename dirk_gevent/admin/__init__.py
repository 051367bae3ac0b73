"""dirk-admin: what only a person decides.

Entry point: `main.main`. `backup` and `rebuild_log` work on files of the person's own, `proxy_link` talks to a running
proxy (whose side of it is `coordinator/admin/`), `backup_file` is a backup's file, `usage` how it all is typed.
Invariants: plain sentences, an exit status for each end, and nothing is done that cannot be undone.
"""
