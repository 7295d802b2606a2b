/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libhomi against a homid that says anything. Input: replies, each ended by a newline and begun by a digit
 * that says how many descriptors come with it; they wait in the socket, and then the library is used as a
 * tenant uses it. Whatever was said, nothing is left open when the connection is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <homi/homi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/client.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/open_fds.h"

enum { FDS_MAX = 9, BAR_BYTES = 1 << 20 };

static int bar = -1;
static unsigned round_number;

static void send_reply(int socket, const char *text, size_t bytes, unsigned fd_count)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    int fds[FDS_MAX];
    struct iovec iov = {.iov_base = (char *)(size_t)text, .iov_len = bytes};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    for (unsigned i = 0; i < fd_count; i++)
        fds[i] = bar;
    if (fd_count > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    /* What does not fit into the socket is not said. */
    (void)sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_replies(int socket, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        const uint8_t *end = memchr(data, '\n', bytes);
        size_t count = end ? (size_t)(end - data) : bytes;
        unsigned fd_count = count > 0 && *data >= '0' && *data <= '9' ? *data - '0' : 0;
        size_t skip = count > 0 && *data >= '0' && *data <= '9';
        char *text = fuzz_text(data + skip, count - skip);
        send_reply(socket, text, count - skip + (end != NULL), fd_count);
        free(text);
        data += count + (end != NULL);
        bytes -= count + (end != NULL);
    }
}

static void use_lease(struct homi *homi, struct homi_lease *lease)
{
    static uint8_t data[HOMI_IDENTIFY_BYTES];
    const struct homi_queue_options options = {.entries = 8};
    struct homi_memory *memory = NULL;
    struct homi_queue_pair *pair = NULL;
    uint32_t value;

    fuzz_require(homi_lease_function(lease, 0) != NULL);
    if (homi_memory_new(lease, 8192, 0, &memory) == 0)
        fuzz_require(homi_memory_address(memory) != NULL && homi_memory_region(memory) != NULL);
    if (homi_queue_pair_new(lease, &options, &pair) == 0) {
        (void)homi_queue_health(homi_queue_pair_queue(pair));
        (void)homi_queue_pair_event_fd(pair);
    }
    (void)homi_identify(lease, 0, 1, 0, data);
    (void)homi_get_log_page(lease, 0, 2, 0, 512, data);
    (void)homi_get_feature(lease, 0, 7, &value);
    (void)homi_error_text(homi);
}

static void use(struct homi *homi)
{
    struct homi_lease *lease = NULL;
    char *reply = NULL;

    if (homi_attach(homi, NULL, &lease) == 0)
        use_lease(homi, lease);
    if (homi_call(homi, "io.homi.Tenant.ListTenants", NULL, &reply) == 0)
        fuzz_require(reply != NULL);
    free(reply);
}

static void start(void)
{
    const uint32_t ready = HOMI_NVME_CSTS_READY;

    bar = memfd_create("bar", MFD_CLOEXEC);
    fuzz_require(bar >= 0 && ftruncate(bar, BAR_BYTES) == 0);
    fuzz_require(pwrite(bar, &ready, sizeof(ready), 0x1c) == sizeof(ready));
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    struct homi *homi = calloc(1, sizeof(*homi));
    int sockets[2];

    if (bar < 0)
        start();
    /* Not each time, since it takes longer than all the rest. */
    bool counted = round_number++ % 64 == 0;
    unsigned fds_before = counted ? open_fds() : 0;
    fuzz_require(homi && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
    homi->socket = sockets[0];
    homi->path = strdup("");
    fuzz_require(homi->path && varlink_connection_new(VARLINK_CLIENT, &homi->connection) == 0);
    send_replies(sockets[1], data, bytes);
    fuzz_require(shutdown(sockets[1], SHUT_WR) == 0);
    use(homi);
    homi_close(homi);
    close(sockets[1]);
    if (counted)
        fuzz_require(open_fds() == fds_before);
    return 0;
}
