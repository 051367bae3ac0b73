"""Statement text to plan: lexer, grammar, names, SQLite SQL. Pure; imports nothing of dirk_gevent."""
