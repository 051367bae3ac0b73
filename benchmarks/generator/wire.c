#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_BYTES 4096

void bytes_reserve(struct bytes *bytes, size_t room)
{
    if (bytes->capacity - bytes->length >= room)
        return;
    size_t capacity = bytes->capacity ? bytes->capacity : 1024;
    while (capacity - bytes->length < room)
        capacity *= 2;
    bytes->data = realloc(bytes->data, capacity);
    if (!bytes->data) {
        fprintf(stderr, "load: out of memory\n");
        exit(1);
    }
    bytes->capacity = capacity;
}

void bytes_append(struct bytes *bytes, const void *data, size_t length)
{
    bytes_reserve(bytes, length);
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

void bytes_drop_front(struct bytes *bytes, size_t length)
{
    bytes->length -= length;
    if (bytes->length)
        memmove(bytes->data, bytes->data + length, bytes->length);
}

/* ---- DirkDB: text that ends with a line END -------------------------------------------------------- */

static void dirk_request(struct bytes *out, const char *text, size_t length)
{
    bytes_append(out, text, length);
}

static int ends_an_answer(const char *data, size_t length)
{
    return (length >= 5 && !memcmp(data + length - 5, "\nEND\n", 5)) || (length == 4 && !memcmp(data, "END\n", 4));
}

static size_t dirk_answer_length(const struct bytes *in, size_t *scanned, int single)
{
    /* No line inside an answer is exactly END, so with one answer on its way the tail decides. */
    if (single)
        return ends_an_answer(in->data, in->length) ? in->length : 0;
    if (in->length >= 4 && !memcmp(in->data, "END\n", 4))
        return 4;
    size_t from = *scanned > 4 ? *scanned - 4 : 0;
    const char *end = memmem(in->data + from, in->length - from, "\nEND\n", 5);
    *scanned = in->length;
    return end ? (size_t)(end - in->data) + 5 : 0;
}

static int dirk_is_error(const char *answer, size_t length)
{
    static const char error[] = "RESULT_MESSAGE\nHadisoana";
    size_t tail = length < TAIL_BYTES ? length : TAIL_BYTES;
    const char *found = memmem(answer + length - tail, tail, error, sizeof error - 1);
    return found && (found == answer || found[-1] == '\n');
}

/* ---- PostgreSQL: protocol 3, simple query ---------------------------------------------------------- */

static void append_length(struct bytes *out, size_t length)
{
    uint32_t network = htonl((uint32_t)length);
    bytes_append(out, &network, 4);
}

static void postgres_greet(struct bytes *out, const char *user, const char *database)
{
    static const unsigned char version[] = {0, 3, 0, 0};
    size_t length = 4 + 4 + 5 + strlen(user) + 1 + 9 + strlen(database) + 1 + 1;
    append_length(out, length);
    bytes_append(out, version, 4);
    bytes_append(out, "user", 5);
    bytes_append(out, user, strlen(user) + 1);
    bytes_append(out, "database", 9);
    bytes_append(out, database, strlen(database) + 1);
    bytes_append(out, "", 1);
}

static void postgres_request(struct bytes *out, const char *text, size_t length)
{
    bytes_append(out, "Q", 1);
    append_length(out, 4 + length + 1);
    bytes_append(out, text, length);
    bytes_append(out, "", 1);
}

static size_t message_length(const char *message)
{
    uint32_t network;
    memcpy(&network, message + 1, 4);
    return 1 + (size_t)ntohl(network);
}

/* An answer ends with ReadyForQuery ('Z'); `scanned` is where the next message begins. */
static size_t postgres_answer_length(const struct bytes *in, size_t *scanned, int single)
{
    (void)single;
    while (in->length - *scanned >= 5) {
        const char *message = in->data + *scanned;
        size_t length = message_length(message);
        if (in->length - *scanned < length)
            return 0;
        *scanned += length;
        if (*message == 'Z')
            return *scanned;
    }
    return 0;
}

static int postgres_is_error(const char *answer, size_t length)
{
    for (size_t at = 0; at + 5 <= length; at += message_length(answer + at))
        if (answer[at] == 'E')
            return 1;
    return 0;
}

static const struct wire wires[] = {
    {"dirk", NULL, dirk_request, dirk_answer_length, dirk_is_error},
    {"postgres", postgres_greet, postgres_request, postgres_answer_length, postgres_is_error},
};

const struct wire *wire_named(const char *name)
{
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        if (!strcmp(wires[i].name, name))
            return &wires[i];
    return NULL;
}
