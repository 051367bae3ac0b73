#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = {.host = "127.0.0.1", .user = "bench", .database = "bench", .connections = 1, .depth = 1,
                          .greedy_depth = 1, .seconds = 0.0};

static void refuse(const char *sentence, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, sentence);
    exit(2);
}

static void read_statements(const char *path)
{
    struct bytes text = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        refuse("cannot be opened", path);
    size_t got;
    do {
        bytes_reserve(&text, 1 << 20);
        got = fread(text.data + text.length, 1, 1 << 20, file);
        text.length += got;
    } while (got);
    fclose(file);
    for (size_t i = 0; i < text.length; i++)
        options.line_count += text.data[i] == '\n';
    if (!options.line_count)
        refuse("holds no line", path);
    options.lines = malloc((options.line_count + 1) * sizeof *options.lines);
    options.lines[0] = text.data;
    for (uint64_t line = 0; line < options.line_count; line++)
        options.lines[line + 1] = (const char *)memchr(options.lines[line], '\n',
                                                       (size_t)(text.data + text.length - options.lines[line])) + 1;
}

static void check(void)
{
    if (!options.port)
        refuse("is needed", "--port");
    if (!options.template_text == !options.lines)
        refuse("one of the two is needed", "--template, --file");
    if (!options.connections || !options.depth || !options.greedy_depth)
        refuse("must be at least 1", "--connections, --depth, --greedy-depth");
    if (options.seconds <= 0)
        options.seconds = options.count ? 600.0 : 1.0;
}

void read_options(int count, char **arguments)
{
    static const struct option names[] = {
        {"host", 1, 0, 'h'},         {"port", 1, 0, 'p'},     {"connections", 1, 0, 'c'}, {"depth", 1, 0, 'd'},
        {"greedy", 1, 0, 'g'},       {"greedy-depth", 1, 0, 'G'}, {"seconds", 1, 0, 's'}, {"warmup", 1, 0, 'w'},
        {"count", 1, 0, 'n'},        {"template", 1, 0, 't'}, {"file", 1, 0, 'f'},        {"random", 1, 0, 'r'},
        {"sequence", 1, 0, 'q'},     {"setup", 1, 0, 'S'},    {"wire", 1, 0, 'W'},        {"user", 1, 0, 'u'},
        {"database", 1, 0, 'D'},     {"per-connection", 0, 0, 'P'}, {0, 0, 0, 0},
    };
    options.wire = wire_named("dirk");
    for (int letter; (letter = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        switch (letter) {
        case 'h': options.host = optarg; break;
        case 'p': options.port = optarg; break;
        case 'c': options.connections = (unsigned)atoi(optarg); break;
        case 'd': options.depth = (unsigned)atoi(optarg); break;
        case 'g': options.greedy = (unsigned)atoi(optarg); break;
        case 'G': options.greedy_depth = (unsigned)atoi(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'w': options.warmup_seconds = atof(optarg); break;
        case 'n': options.count = strtoull(optarg, NULL, 10); break;
        case 't': options.template_text = optarg; break;
        case 'f': read_statements(optarg); break;
        case 'r': options.random_range = strtoull(optarg, NULL, 10); break;
        case 'q': options.sequence = strtoull(optarg, NULL, 10); break;
        case 'u': options.user = optarg; break;
        case 'D': options.database = optarg; break;
        case 'P': options.per_connection = 1; break;
        case 'S':
            if (options.setups == MAX_SETUP)
                refuse("is given too often", "--setup");
            options.setup[options.setups++] = optarg;
            break;
        case 'W':
            options.wire = wire_named(optarg);
            if (!options.wire)
                refuse("is not a wire (dirk, postgres)", optarg);
            break;
        default: exit(2);
        }
    }
    check();
}
