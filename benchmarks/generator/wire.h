/* How a request is framed and where an answer ends, for the two protocols that the generator speaks. */
#ifndef DIRK_WIRE_H
#define DIRK_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data;
    size_t length;
    size_t capacity;
};

void bytes_append(struct bytes *bytes, const void *data, size_t length);
void bytes_reserve(struct bytes *bytes, size_t room);
void bytes_drop_front(struct bytes *bytes, size_t length);

struct wire {
    const char *name;
    /* What must be said before the first request (NULL: nothing); it has one answer. */
    void (*greet)(struct bytes *out, const char *user, const char *database);
    void (*request)(struct bytes *out, const char *text, size_t length);
    /* Length of the first whole answer in `in`, 0 when it is not whole yet. `scanned` is the connection's
     * memory between calls (0 at an answer's start), `single` says that at most one answer is on its way. */
    size_t (*answer_length)(const struct bytes *in, size_t *scanned, int single);
    int (*is_error)(const char *answer, size_t length);
};

/* NULL when there is no wire of that name. */
const struct wire *wire_named(const char *name);

#endif
