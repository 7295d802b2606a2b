/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_homid.h"
#include "tests/unit/call_number.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4

struct connection {
    struct fake_homid *fake;
    int socket;
    pthread_t thread;
};

struct fake_homid {
    char folder[64];
    char path[96];
    int listener;
    pthread_t thread;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    struct fake_step steps[FAKE_STEPS_MAX];
    size_t step_count, next_step;
    char heard[65536];
    size_t heard_bytes;
    int fd;
};

/* Reads one message into what was heard; false at the end of the stream. */
static bool hear(struct fake_homid *fake, int connection)
{
    for (;;) {
        char control[CMSG_SPACE(sizeof(int))];
        char *byte = &fake->heard[fake->heard_bytes];
        struct iovec iov = {.iov_base = byte, .iov_len = 1};
        struct msghdr header = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

        if (fake->heard_bytes + 2 >= sizeof(fake->heard))
            return false;
        ssize_t n;
        do
            n = recvmsg(connection, &header, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n != 1)
            return false;
        if (CMSG_FIRSTHDR(&header)) {
            if (fake->fd >= 0)
                close(fake->fd);
            memcpy(&fake->fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(int));
        }
        fake->heard_bytes++;
        if (*byte == '\0') {
            /* Of the one message that ends here. */
            size_t end = fake->heard_bytes;
            cut_call_number(fake->heard);
            fake->heard_bytes = strlen(fake->heard) + 1;
            memset(&fake->heard[fake->heard_bytes], 0, end - fake->heard_bytes);
            fake->heard[fake->heard_bytes - 1] = '\n';
            return true;
        }
    }
}

static void send_piece(int connection, const char *bytes, size_t count, const int *fds, unsigned fd_count)
{
    char control[CMSG_SPACE(FAKE_FDS_MAX * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (char *)(size_t)bytes, .iov_len = count};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd_count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    (void)sendmsg(connection, &header, MSG_NOSIGNAL);
}

/* Answers by a step; false when it hangs up. */
static bool answer(int connection, struct fake_step *step)
{
    size_t count = step->reply ? strlen(step->reply) + !step->cut : 0;
    size_t piece = step->bytewise ? 1 : count;

    for (size_t at = 0; at < count; at += piece)
        send_piece(connection, step->reply + at, piece, step->fds, at == 0 ? step->fd_count : 0);
    for (unsigned i = 0; i < step->fd_count; i++)
        close(step->fds[i]);
    return !step->cut && !step->hang_up;
}

static bool answer_next(struct fake_homid *fake, int connection)
{
    struct fake_step otherwise = {.reply = "{}"};
    bool on;

    if (fake->next_step == fake->step_count)
        return answer(connection, &otherwise);
    do
        on = answer(connection, &fake->steps[fake->next_step++]);
    while (on && fake->steps[fake->next_step - 1].goes_on);
    return on;
}

static void *serve(void *user)
{
    struct connection *connection = user;
    sigset_t all;

    /* Signals are the client's to bear. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (hear(connection->fake, connection->socket) && answer_next(connection->fake, connection->socket))
        continue;
    close(connection->socket);
    return NULL;
}

static void *listen_for_all(void *user)
{
    struct fake_homid *fake = user;
    int socket;

    while (fake->connection_count < CONNECTIONS_MAX && (socket = accept(fake->listener, NULL, NULL)) >= 0) {
        struct connection *connection = &fake->connections[fake->connection_count++];

        *connection = (struct connection){.fake = fake, .socket = socket};
        ck_assert_int_eq(pthread_create(&connection->thread, NULL, serve, connection), 0);
    }
    return NULL;
}

struct fake_homid *fake_homid_start(const struct fake_step *steps, size_t count)
{
    struct fake_homid *fake = calloc(1, sizeof(*fake));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    ck_assert_ptr_nonnull(fake);
    ck_assert_uint_le(count, FAKE_STEPS_MAX);
    fake->fd = -1;
    fake->step_count = count;
    if (count > 0)
        memcpy(fake->steps, steps, count * sizeof(*steps));
    strcpy(fake->folder, "/tmp/homi-fake-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fake->folder));
    snprintf(fake->path, sizeof(fake->path), "%s/socket", fake->folder);
    strcpy(address.sun_path, fake->path);
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fake->listener, 8), 0);
    ck_assert_int_eq(pthread_create(&fake->thread, NULL, listen_for_all, fake), 0);
    return fake;
}

void fake_homid_stop(struct fake_homid *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    for (size_t i = 0; i < fake->connection_count; i++)
        pthread_join(fake->connections[i].thread, NULL);
    /* Steps that no message reached still own their descriptors. */
    while (fake->next_step < fake->step_count) {
        const struct fake_step *step = &fake->steps[fake->next_step++];
        for (unsigned i = 0; i < step->fd_count; i++)
            close(step->fds[i]);
    }
    if (fake->fd >= 0)
        close(fake->fd);
    close(fake->listener);
    unlink(fake->path);
    rmdir(fake->folder);
    free(fake);
}

const char *fake_homid_path(const struct fake_homid *fake)
{
    return fake->path;
}

const char *fake_homid_heard(const struct fake_homid *fake)
{
    return fake->heard;
}

int fake_homid_take_fd(struct fake_homid *fake)
{
    int fd = fake->fd;

    fake->fd = -1;
    return fd;
}
