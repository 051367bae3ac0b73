/* The generator's command line. */
#ifndef DIRK_OPTIONS_H
#define DIRK_OPTIONS_H

#include "wire.h"

#define MAX_SETUP 16

struct options {
    const char *host, *port;          /* a port that begins with '/' is the path of a local socket */
    const char *user, *database;      /* for wires that greet */
    const char *template_text;        /* "{n}" in it becomes a number that changes with every request */
    const char **lines;               /* instead of a template: statements in turn; line i + 1 begins one
                                         byte after line i ends */
    uint64_t line_count;
    const char *setup[MAX_SETUP];
    unsigned setups, connections, depth, greedy, greedy_depth;
    double seconds, warmup_seconds;
    uint64_t count, random_range, sequence;
    int per_connection;
    const struct wire *wire;
};

extern struct options options;

/* Fills `options`; a wrong argument is one sentence on stderr and exit status 2. */
void read_options(int count, char **arguments);

#endif
