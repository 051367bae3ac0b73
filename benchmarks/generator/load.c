/* A closed-loop load generator: one thread, epoll, N connections, each with a fixed number of requests on their
 * way. It prints one JSON object: answers, rate, latencies, and the share of one CPU that it used itself. */
#define _GNU_SOURCE
#include "histogram.h"
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_SECONDS 15.0
#define ERROR_TEXT_BYTES 512
#define NS_PER_SECOND 1000000000ull

struct connection {
    int fd;
    int wants_output;
    int is_open;
    unsigned setup_answers;      /* answers still to come before the connection may take load */
    unsigned setup_next;
    unsigned depth, outstanding; /* requests it keeps on their way, and those that are */
    unsigned oldest;             /* place in `sent_at` of the oldest of them */
    uint64_t *sent_at;
    size_t scanned;
    struct bytes in, out;
    struct histogram latency;
    uint64_t answers;
};

static struct {
    int epoll;
    struct connection *connections;
    uint64_t issued, answers, errors, closed, bytes_in, random_state;
    int counting, stopping;
    char first_error[ERROR_TEXT_BYTES];
} run = {.random_state = 88172645463325252ull};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t next_number(void)
{
    if (!options.random_range)
        return options.sequence + run.issued;
    uint64_t x = run.random_state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    run.random_state = x;
    return 1 + x % options.random_range;
}

/* The template with every "{n}" replaced by one number, in a buffer that lives until the next call. */
static const struct bytes *fill_template(void)
{
    static struct bytes text;
    char digits[24];
    size_t digit_count = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)next_number());
    const char *rest = options.template_text;
    text.length = 0;
    for (const char *hole; (hole = strstr(rest, "{n}")); rest = hole + 3) {
        bytes_append(&text, rest, (size_t)(hole - rest));
        bytes_append(&text, digits, digit_count);
    }
    bytes_append(&text, rest, strlen(rest));
    return &text;
}

static void watch(struct connection *connection, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (connection->wants_output ? EPOLLOUT : 0u)};
    event.data.ptr = connection;
    if (epoll_ctl(run.epoll, operation, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    connection->is_open = 0;
    run.closed++;
}

static void flush_output(struct connection *connection)
{
    while (connection->out.length) {
        ssize_t sent = send(connection->fd, connection->out.data, connection->out.length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            close_connection(connection);
            return;
        }
        bytes_drop_front(&connection->out, (size_t)sent);
    }
    int wants_output = connection->out.length > 0;
    if (wants_output != connection->wants_output) {
        connection->wants_output = wants_output;
        watch(connection, EPOLL_CTL_MOD);
    }
}

static void queue_request(struct connection *connection)
{
    if (options.lines) {
        const char **line = options.lines + run.issued % options.line_count;
        options.wire->request(&connection->out, line[0], (size_t)(line[1] - line[0] - 1));
    } else {
        const struct bytes *text = fill_template();
        options.wire->request(&connection->out, text->data, text->length);
    }
    unsigned place = (connection->oldest + connection->outstanding) % connection->depth;
    connection->sent_at[place] = now_ns();
    connection->outstanding++;
    run.issued++;
}

/* Keeps the connection's share of requests on their way. */
static void feed(struct connection *connection)
{
    while (!run.stopping && connection->outstanding < connection->depth &&
           (!options.count || run.issued < options.count))
        queue_request(connection);
    flush_output(connection);
}

static void send_setup(struct connection *connection)
{
    const char *text = options.setup[connection->setup_next++];
    options.wire->request(&connection->out, text, strlen(text));
    flush_output(connection);
}

static void note_error(const char *answer, size_t length)
{
    if (run.first_error[0])
        return;
    size_t kept = length < ERROR_TEXT_BYTES - 1 ? length : ERROR_TEXT_BYTES - 1;
    memcpy(run.first_error, answer + length - kept, kept);
    for (size_t i = 0; i < kept; i++)
        if ((unsigned char)run.first_error[i] < ' ' || strchr("\"\\", run.first_error[i]))
            run.first_error[i] = ' ';
}

static void take_answer(struct connection *connection, size_t length)
{
    int is_error = options.wire->is_error(connection->in.data, length);
    if (is_error)
        note_error(connection->in.data, length);
    if (connection->setup_answers) {
        connection->setup_answers--;
        if (connection->setup_next < options.setups)
            send_setup(connection);
    } else {
        uint64_t sent_at = connection->sent_at[connection->oldest];
        connection->oldest = (connection->oldest + 1) % connection->depth;
        connection->outstanding--;
        /* One that was asked in the counted time is waited for to its end: a server that stops answering is slow. */
        if (run.counting || run.stopping) {
            histogram_add(&connection->latency, now_ns() - sent_at);
            run.errors += (uint64_t)is_error;
        }
        if (run.counting) {
            connection->answers++;
            run.answers++;
        }
    }
    bytes_drop_front(&connection->in, length);
    connection->scanned = 0;
}

static void read_answers(struct connection *connection)
{
    bytes_reserve(&connection->in, 65536);
    ssize_t received = recv(connection->fd, connection->in.data + connection->in.length, 65536, 0);
    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        close_connection(connection);
        return;
    }
    connection->in.length += (size_t)received;
    run.bytes_in += (uint64_t)received;
    size_t length;
    while (connection->in.length && (connection->setup_answers || connection->outstanding) &&
           (length = options.wire->answer_length(&connection->in, &connection->scanned,
                                                 connection->setup_answers || connection->outstanding == 1)))
        take_answer(connection, length);
}

static int open_socket(void)
{
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(options.port))};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int is_local = options.port[0] == '/';
    if (is_local)
        snprintf(local.sun_path, sizeof local.sun_path, "%s", options.port);
    else if (inet_pton(AF_INET, options.host, &tcp.sin_addr) != 1)
        die("the host must be an IPv4 address");
    int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        die("socket");
    const struct sockaddr *address = is_local ? (struct sockaddr *)&local : (struct sockaddr *)&tcp;
    if (connect(fd, address, is_local ? sizeof local : sizeof tcp) < 0)
        die("connect");
    int on = 1;
    if (!is_local)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void open_connection(struct connection *connection, unsigned place)
{
    connection->fd = open_socket();
    connection->is_open = 1;
    connection->depth = place < options.greedy ? options.greedy_depth : options.depth;
    connection->sent_at = calloc(connection->depth, sizeof *connection->sent_at);
    connection->setup_answers = options.setups + (options.wire->greet != NULL);
    watch(connection, EPOLL_CTL_ADD);
    if (options.wire->greet) {
        options.wire->greet(&connection->out, options.user, options.database);
        flush_output(connection);
    } else if (options.setups) {
        send_setup(connection);
    }
}

/* One wait and what it brings; `until_ns` bounds the wait. */
static void step(uint64_t until_ns)
{
    struct epoll_event events[256];
    uint64_t now = now_ns();
    int wait_ms = now >= until_ns ? 0 : (int)((until_ns - now) / 1000000 + 1);
    int ready = epoll_wait(run.epoll, events, 256, wait_ms);
    if (ready < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < ready; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush_output(connection);
        if (connection->is_open && (events[i].events & ~(uint32_t)EPOLLOUT))
            read_answers(connection);
        if (connection->is_open && run.issued)
            feed(connection);
    }
}

static int is_everyone_set_up(void)
{
    for (unsigned i = 0; i < options.connections; i++)
        if (run.connections[i].is_open && run.connections[i].setup_answers)
            return 0;
    return 1;
}

static int is_anything_outstanding(void)
{
    for (unsigned i = 0; i < options.connections; i++)
        if (run.connections[i].is_open && run.connections[i].outstanding)
            return 1;
    return 0;
}

/* SIGTERM ends the counted time: for a load beside something of unknown length. */
static volatile sig_atomic_t is_told_to_stop;

static void stop_soon(int number)
{
    (void)number;
    is_told_to_stop = 1;
}

static void run_until(uint64_t until_ns)
{
    while (!is_told_to_stop && now_ns() < until_ns && run.closed < options.connections && (!options.count || is_anything_outstanding()))
        step(until_ns);
}

/* Runs the load; the wall and CPU seconds of the counted part go to the two pointers. */
static void run_load(double *wall_seconds, double *own_cpu_seconds)
{
    uint64_t setup_limit = now_ns() + 30 * NS_PER_SECOND;
    while (!is_everyone_set_up() && now_ns() < setup_limit)
        step(setup_limit);
    if (!is_everyone_set_up()) {
        errno = ETIMEDOUT;
        die("setup");
    }
    run.counting = options.warmup_seconds <= 0;
    uint64_t started = now_ns();
    double cpu_started = cpu_seconds();
    for (unsigned i = 0; i < options.connections; i++)
        feed(&run.connections[i]);
    if (!run.counting) {
        run_until(started + (uint64_t)(options.warmup_seconds * 1e9));
        started = now_ns();
        cpu_started = cpu_seconds();
        run.counting = 1;
    }
    run_until(started + (uint64_t)(options.seconds * 1e9));
    *wall_seconds = (double)(now_ns() - started) / 1e9;
    *own_cpu_seconds = cpu_seconds() - cpu_started;
    run.counting = 0;
    run.stopping = 1;
    uint64_t drain_limit = now_ns() + (uint64_t)(DRAIN_SECONDS * 1e9);
    while (is_anything_outstanding() && now_ns() < drain_limit)
        step(drain_limit);
}

static double microseconds(uint64_t value_ns)
{
    return (double)value_ns / 1000.0;
}

static void print_report(double wall_seconds, double own_cpu_seconds)
{
    struct histogram all = {0};
    for (unsigned i = 0; i < options.connections; i++)
        histogram_merge(&all, &run.connections[i].latency);
    printf("{\"connections\":%u,\"depth\":%u,\"seconds\":%.6f,\"answers\":%llu,\"issued\":%llu,\"errors\":%llu,\"closed\":%llu,"
           "\"bytes_in\":%llu,\"rate\":%.1f,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"cpu_share\":%.3f,\"first_error\":\"%s\",\"per_connection\":[",
           options.connections, options.depth, wall_seconds, (unsigned long long)run.answers,
           (unsigned long long)run.issued, (unsigned long long)run.errors, (unsigned long long)run.closed, (unsigned long long)run.bytes_in,
           (double)run.answers / wall_seconds, all.count ? microseconds(all.total_ns / all.count) : 0.0,
           microseconds(histogram_quantile_ns(&all, 0.5)), microseconds(histogram_quantile_ns(&all, 0.99)),
           microseconds(all.max_ns), own_cpu_seconds / wall_seconds, run.first_error);
    for (unsigned i = 0; options.per_connection && i < options.connections; i++)
        printf("%s{\"answers\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f}", i ? "," : "",
               (unsigned long long)run.connections[i].answers,
               microseconds(histogram_quantile_ns(&run.connections[i].latency, 0.5)),
               microseconds(histogram_quantile_ns(&run.connections[i].latency, 0.99)));
    printf("]}\n");
}

int main(int count, char **arguments)
{
    read_options(count, arguments);
    signal(SIGTERM, stop_soon);
    run.epoll = epoll_create1(0);
    run.connections = calloc(options.connections, sizeof *run.connections);
    if (run.epoll < 0 || !run.connections)
        die("start");
    for (unsigned i = 0; i < options.connections; i++)
        open_connection(&run.connections[i], i);
    double wall_seconds, own_cpu_seconds;
    run_load(&wall_seconds, &own_cpu_seconds);
    print_report(wall_seconds, own_cpu_seconds);
    return run.closed ? 1 : 0;
}
