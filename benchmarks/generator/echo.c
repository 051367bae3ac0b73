/* The cheapest server there is: one thread, epoll, the same bytes for every request. A generator that gets far
 * more answers a second from it than from any server under test is not what limits the measurement.
 * Usage: echo FILE   (the answer's bytes; the port it listens on is printed) */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[1 << 20];
static size_t answer_length;

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("echo");
        exit(1);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void take_connection(int epoll, int listener)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll, fd);
}

static void serve(int fd)
{
    static char request[65536];
    ssize_t received = recv(fd, request, sizeof request, 0);
    size_t requests = 0;
    for (ssize_t i = 0; i < received; i++)
        requests += request[i] == ';';
    for (; requests; requests--)
        if (send(fd, answer, answer_length, MSG_NOSIGNAL) != (ssize_t)answer_length)
            break;
    if (received <= 0)
        close(fd);
}

int main(int count, char **arguments)
{
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: echo FILE\n");
        return 2;
    }
    answer_length = fread(answer, 1, sizeof answer, file);
    fclose(file);
    int listener = listen_anywhere();
    int epoll = epoll_create1(0);
    if (epoll < 0 || watch(epoll, listener) < 0)
        return 1;
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                take_connection(epoll, listener);
            else
                serve(events[i].data.fd);
        }
    }
}
