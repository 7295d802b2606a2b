/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection over a socket pair: what the kernel does to messages and their descriptors, and that each
 * descriptor reaches the message that it was sent with. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/transport.h"
#include "tests/unit/open_fds.h"

#define CALL_A "{\"method\":\"a.A\"}"
#define CALL_B "{\"method\":\"a.B\"}"

static struct varlink_connection *server, *client;
static int server_socket, client_socket;
static unsigned fds_before;

static void open_pair(void)
{
    int sockets[2];

    fds_before = open_fds();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
    server_socket = sockets[0];
    client_socket = sockets[1];
    ck_assert_int_eq(varlink_connection_new(VARLINK_SERVER, &server), 0);
    ck_assert_int_eq(varlink_connection_new(VARLINK_CLIENT, &client), 0);
}

static void close_pair(void)
{
    varlink_connection_free(server);
    varlink_connection_free(client);
    (void)close(server_socket);
    (void)close(client_socket);
    ck_assert_uint_eq(open_fds(), fds_before);
}

/* A descriptor that can be told from others by its inode. */
static int new_fd(ino_t *ret_inode)
{
    int pipes[2];
    struct stat st;

    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    ck_assert_int_eq(fstat(pipes[0], &st), 0);
    (void)close(pipes[1]);
    *ret_inode = st.st_ino;
    return pipes[0];
}

static ino_t inode_of(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

/* One sendmsg past the connection, as a peer of another make would do it. Closes the fds. */
static void raw_send(const void *bytes, size_t count, int *fds, unsigned fd_count)
{
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = count};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE((VARLINK_FDS_MAX + 1) * sizeof(int))] = {0};
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
    ck_assert_int_eq(sendmsg(client_socket, &header, 0), (ssize_t)count);
    for (unsigned i = 0; i < fd_count; i++) {
        (void)close(fds[i]);
    }
}

/* Receives until a call is complete. */
static struct varlink_message receive_call(void)
{
    struct varlink_message message;
    int r;

    while ((r = varlink_connection_next(server, &message)) == 0) {
        ck_assert_int_eq(varlink_transport_receive(server_socket, server), 1);
    }
    ck_assert_int_eq(r, 1);
    return message;
}

static void answer_and_clear(struct varlink_message *message)
{
    varlink_message_clear(message);
    ck_assert_int_eq(varlink_connection_reply(server, NULL, false, NULL, 0), 0);
}

/* The next call is `method` and brings the pipe of `inode`, or nothing where inode is 0. */
static void ck_receives(const char *method, ino_t inode)
{
    struct varlink_message message = receive_call();

    ck_assert_str_eq(message.method, method);
    ck_assert_uint_eq(message.fd_count, inode ? 1 : 0);
    if (inode) {
        ck_assert_uint_eq(inode_of(message.fds[0]), inode);
        ck_assert_int_eq(fcntl(message.fds[0], F_GETFD), FD_CLOEXEC);
    }
    answer_and_clear(&message);
}

/* The fact that transport.h builds on. Should a kernel ever behave otherwise, this is where to learn it. */
START_TEST(the_kernel_joins_what_came_before_but_nothing_after)
{
    char bytes[256];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE((VARLINK_FDS_MAX + 1) * sizeof(int))];
    ino_t inode;
    int fd = new_fd(&inode), received;
    ssize_t n;

    raw_send(CALL_A, sizeof(CALL_A), NULL, 0);
    raw_send(CALL_B, sizeof(CALL_B), &fd, 1);
    raw_send(CALL_A, sizeof(CALL_A), NULL, 0);
    for (int i = 0; i < 2; i++) {
        struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        struct msghdr header = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        n = recvmsg(server_socket, &header, MSG_CMSG_CLOEXEC);
        ck_assert_int_eq(n, i == 0 ? (ssize_t)(sizeof(CALL_A) + sizeof(CALL_B)) : (ssize_t)sizeof(CALL_A));
        ck_assert_int_eq(CMSG_FIRSTHDR(&header) != NULL, i == 0);
        if (i == 0) {
            memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(received));
            ck_assert_uint_eq(inode_of(received), inode);
            (void)close(received);
        }
    }
}
END_TEST

START_TEST(descriptors_reach_their_message)
{
    ino_t first, second;
    int fd = new_fd(&first);

    raw_send(CALL_A, sizeof(CALL_A), NULL, 0);
    raw_send(CALL_B, sizeof(CALL_B), &fd, 1);
    fd = new_fd(&second);
    raw_send(CALL_A, sizeof(CALL_A), &fd, 1);
    raw_send(CALL_B, sizeof(CALL_B), NULL, 0);
    ck_receives("a.A", 0);
    ck_receives("a.B", first);
    ck_receives("a.A", second);
    ck_receives("a.B", 0);
    ck_assert_int_eq(varlink_transport_receive(server_socket, server), -EAGAIN);
}
END_TEST

START_TEST(descriptors_of_joined_messages_belong_to_the_first)
{
    ino_t inode;
    int fd = new_fd(&inode);

    raw_send(CALL_A "\0" CALL_B, sizeof(CALL_A) + sizeof(CALL_B), &fd, 1);
    ck_receives("a.A", inode);
    ck_receives("a.B", 0);
}
END_TEST

START_TEST(a_message_in_pieces_keeps_its_descriptors)
{
    ino_t inode;
    int fd = new_fd(&inode);

    raw_send(CALL_A, 1, &fd, 1);
    for (size_t i = 1; i < sizeof(CALL_A); i++) {
        ck_assert_int_eq(varlink_transport_receive(server_socket, server), 1);
        raw_send(&CALL_A[i], 1, NULL, 0);
    }
    ck_receives("a.A", inode);
}
END_TEST

START_TEST(a_long_message_keeps_its_descriptors)
{
    json_object *parameters = json_object_new_object();
    char *text = malloc(60001);
    ino_t inode;
    int fd = new_fd(&inode);

    memset(text, 'x', 60000);
    text[60000] = '\0';
    json_object_object_add(parameters, "p", json_object_new_string(text));
    ck_assert_int_eq(varlink_connection_call(client, "a.A", NULL, false, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_call(client, "a.B", parameters, false, &fd, 1), 0);
    ck_assert_int_eq(varlink_connection_call(client, "a.C", NULL, false, NULL, 0), 0);
    ck_assert_int_eq(varlink_transport_send(client_socket, client), 1);
    ck_receives("a.A", 0);
    ck_receives("a.B", inode);
    ck_receives("a.C", 0);
    json_object_put(parameters);
    free(text);
}
END_TEST

static void ck_fds_violation(enum varlink_violation violation)
{
    int r;

    while ((r = varlink_transport_receive(server_socket, server)) == 1) {
    }
    ck_assert_int_eq(r, -EPROTO);
    ck_assert_int_eq(varlink_connection_violation(server), violation);
    ck_assert_uint_eq(open_fds(), fds_before + 2);
}

START_TEST(descriptors_in_the_middle_are_refused)
{
    ino_t inode;
    int fd = new_fd(&inode);

    raw_send(CALL_A, 4, NULL, 0);
    ck_assert_int_eq(varlink_transport_receive(server_socket, server), 1);
    raw_send(&CALL_A[4], sizeof(CALL_A) - 4, &fd, 1);
    ck_fds_violation(VARLINK_VIOLATION_FDS_MISPLACED);
}
END_TEST

START_TEST(too_many_descriptors_are_refused)
{
    int fds[VARLINK_FDS_MAX + 1];
    ino_t inode;

    for (unsigned i = 0; i <= VARLINK_FDS_MAX; i++) {
        fds[i] = new_fd(&inode);
    }
    raw_send(CALL_A, sizeof(CALL_A), fds, VARLINK_FDS_MAX + 1);
    ck_fds_violation(VARLINK_VIOLATION_FDS_TOO_MANY);
}
END_TEST

START_TEST(descriptors_that_find_no_room_are_lost)
{
    struct rlimit before, limit;
    ino_t inode;
    int fd = new_fd(&inode);

    raw_send(CALL_A, sizeof(CALL_A), &fd, 1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(varlink_transport_receive(server_socket, server), -EPROTO);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(varlink_connection_violation(server), VARLINK_VIOLATION_FDS_LOST);
}
END_TEST

START_TEST(as_many_descriptors_as_allowed_arrive_in_order)
{
    int fds[VARLINK_FDS_MAX];
    ino_t inodes[VARLINK_FDS_MAX];
    struct varlink_message message;

    for (unsigned i = 0; i < VARLINK_FDS_MAX; i++) {
        fds[i] = new_fd(&inodes[i]);
    }
    ck_assert_int_eq(varlink_connection_call(client, "a.A", NULL, false, fds, VARLINK_FDS_MAX), 0);
    ck_assert_int_eq(varlink_transport_send(client_socket, client), 1);
    message = receive_call();
    ck_assert_uint_eq(message.fd_count, VARLINK_FDS_MAX);
    for (unsigned i = 0; i < VARLINK_FDS_MAX; i++) {
        ck_assert_uint_eq(inode_of(message.fds[i]), inodes[i]);
    }
    answer_and_clear(&message);
}
END_TEST

START_TEST(calls_and_replies_cross)
{
    struct varlink_message message;
    ino_t inode;
    int fd = new_fd(&inode);

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(varlink_connection_call(client, "a.A", NULL, false, NULL, 0), 0);
    }
    ck_assert_int_eq(varlink_transport_send(client_socket, client), 1);
    for (int i = 0; i < 3; i++) {
        message = receive_call();
        varlink_message_clear(&message);
        ck_assert_int_eq(varlink_connection_reply(server, NULL, false, &fd, i == 1), 0);
    }
    ck_assert_int_eq(varlink_transport_send(server_socket, server), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(varlink_transport_receive(client_socket, client), 1);
        ck_assert_int_eq(varlink_connection_next(client, &message), 1);
        ck_assert_uint_eq(message.fd_count, i == 1);
        varlink_message_clear(&message);
    }
    ck_assert_int_eq(varlink_transport_receive(client_socket, client), -EAGAIN);
}
END_TEST

START_TEST(the_bytes_behind_a_call_stay_in_the_socket)
{
    char rest[16];

    raw_send(CALL_A "\0raw", sizeof(CALL_A) + 3, NULL, 0);
    ck_receives("a.A", 0);
    ck_assert_int_eq(recv(server_socket, rest, sizeof(rest), 0), 3);
    ck_assert_mem_eq(rest, "raw", 3);
}
END_TEST

START_TEST(the_end_is_told)
{
    raw_send(CALL_A, sizeof(CALL_A), NULL, 0);
    (void)shutdown(client_socket, SHUT_WR);
    ck_receives("a.A", 0);
    ck_assert_int_eq(varlink_transport_receive(server_socket, server), 0);
}
END_TEST

START_TEST(a_full_socket_is_told_and_goes_on)
{
    json_object *parameters = json_object_new_object();
    char *text = malloc(50001);
    struct varlink_message message;
    int r = 1, size = 4096;
    unsigned sent = 0, received = 0;

    ck_assert_int_eq(setsockopt(server_socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    memset(text, 'x', 50000);
    text[50000] = '\0';
    json_object_object_add(parameters, "p", json_object_new_string(text));
    ck_assert_int_eq(varlink_connection_call(client, "a.A", NULL, true, NULL, 0), 0);
    ck_assert_int_eq(varlink_transport_send(client_socket, client), 1);
    message = receive_call();
    varlink_message_clear(&message);
    while (r == 1 && sent < 5) {
        ck_assert_int_eq(varlink_connection_reply(server, parameters, true, NULL, 0), 0);
        r = varlink_transport_send(server_socket, server);
        sent++;
    }
    ck_assert_int_eq(r, 0);
    while (received < sent) {
        r = varlink_transport_receive(client_socket, client);
        ck_assert(r == 1 || r == -EAGAIN);
        ck_assert_int_ge(varlink_transport_send(server_socket, server), 0);
        if (varlink_connection_next(client, &message) == 1) {
            ck_assert_str_eq(json_object_get_string(json_object_object_get(message.parameters, "p")), text);
            varlink_message_clear(&message);
            received++;
        }
    }
    json_object_put(parameters);
    free(text);
}
END_TEST

START_TEST(a_peer_that_went_away_raises_no_signal)
{
    (void)signal(SIGPIPE, SIG_DFL);
    ck_assert_int_eq(varlink_connection_call(client, "a.A", NULL, false, NULL, 0), 0);
    (void)close(server_socket);
    ck_assert_int_eq(varlink_transport_send(client_socket, client), -EPIPE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *pair = tcase_create("pair");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(pair, open_pair, close_pair);
    tcase_add_test(pair, the_kernel_joins_what_came_before_but_nothing_after);
    tcase_add_test(pair, descriptors_reach_their_message);
    tcase_add_test(pair, descriptors_of_joined_messages_belong_to_the_first);
    tcase_add_test(pair, a_message_in_pieces_keeps_its_descriptors);
    tcase_add_test(pair, a_long_message_keeps_its_descriptors);
    tcase_add_test(pair, descriptors_in_the_middle_are_refused);
    tcase_add_test(pair, too_many_descriptors_are_refused);
    tcase_add_test(pair, descriptors_that_find_no_room_are_lost);
    tcase_add_test(pair, as_many_descriptors_as_allowed_arrive_in_order);
    tcase_add_test(pair, calls_and_replies_cross);
    tcase_add_test(pair, the_bytes_behind_a_call_stay_in_the_socket);
    tcase_add_test(pair, the_end_is_told);
    tcase_add_test(pair, a_full_socket_is_told_and_goes_on);
    tcase_add_test(pair, a_peer_that_went_away_raises_no_signal);
    suite_add_tcase(suite, pair);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
