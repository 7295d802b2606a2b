/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain way through the kernel, to compare with: random O_DIRECT reads of a block device with io_uring,
 * one ring, one thread, a batch of submissions for each batch of completions. Prints the reads per second.
 * Usage: uring-read DEVICE BLOCK-BYTES DEPTH SECONDS. Exit status: 0, or 1 with the reason on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often the clock is read: seldom enough to cost nothing. */
#define ROUNDS_PER_LOOK 64

struct reader {
    struct io_uring ring;
    unsigned char *buffers;
    uint64_t chunks, random, reads;
    unsigned block_bytes, depth;
    int fd;
};

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put(struct reader *reader, uint64_t slot)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&reader->ring);
    uint64_t chunk;

    reader->random ^= reader->random << 13;
    reader->random ^= reader->random >> 7;
    reader->random ^= reader->random << 17;
    chunk = reader->random % reader->chunks;
    io_uring_prep_read(sqe, reader->fd, reader->buffers + slot * reader->block_bytes, reader->block_bytes,
                       chunk * reader->block_bytes);
    sqe->user_data = slot;
}

/* One system call: hands the new reads over and waits for one; then takes all that are done. */
static int turn(struct reader *reader, bool more)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    int r = io_uring_submit_and_wait(&reader->ring, 1);

    if (r < 0)
        return r;
    io_uring_for_each_cqe(&reader->ring, head, cqe)
    {
        if (cqe->res != (int)reader->block_bytes)
            return cqe->res < 0 ? cqe->res : -EIO;
        if (more)
            put(reader, cqe->user_data);
        count++;
    }
    io_uring_cq_advance(&reader->ring, count);
    reader->reads += count;
    return (int)count;
}

static int read_for(struct reader *reader, double seconds, double *ret_seconds, uint64_t *ret_reads)
{
    double started = now_seconds(), now = started;
    unsigned in_flight = reader->depth;
    int r = 0;

    for (uint64_t slot = 0; slot < reader->depth; slot++)
        put(reader, slot);
    while (now - started < seconds) {
        for (unsigned i = 0; i < ROUNDS_PER_LOOK; i++)
            if ((r = turn(reader, true)) < 0)
                return r;
        now = now_seconds();
    }
    *ret_seconds = now - started;
    *ret_reads = reader->reads;
    for (; in_flight > 0; in_flight -= (unsigned)r)
        if ((r = turn(reader, false)) < 0)
            return r;
    return 0;
}

static int start(struct reader *reader, const char *path)
{
    off_t bytes;

    reader->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (reader->fd < 0)
        return -errno;
    bytes = lseek(reader->fd, 0, SEEK_END);
    if (bytes < (off_t)reader->block_bytes)
        return -EINVAL;
    reader->chunks = (uint64_t)bytes / reader->block_bytes;
    reader->random = UINT64_C(0x9e3779b97f4a7c15);
    reader->buffers = aligned_alloc(4096, (size_t)reader->depth * reader->block_bytes);
    return reader->buffers ? io_uring_queue_init(reader->depth, &reader->ring, 0) : -ENOMEM;
}

int main(int argc, char **argv)
{
    struct reader reader = {.fd = -1};
    double seconds = 0;
    uint64_t reads = 0;
    int r;

    if (argc != 5 || atoi(argv[2]) < 512 || atoi(argv[2]) % 512 != 0 || atoi(argv[3]) < 1 ||
        atof(argv[4]) <= 0) {
        fputs("Usage: uring-read DEVICE BLOCK-BYTES DEPTH SECONDS\n", stderr);
        return 1;
    }
    reader.block_bytes = (unsigned)atoi(argv[2]);
    reader.depth = (unsigned)atoi(argv[3]);
    r = start(&reader, argv[1]);
    if (r == 0)
        r = read_for(&reader, atof(argv[4]), &seconds, &reads);
    if (r < 0) {
        fprintf(stderr, "uring-read: %s: %s\n", argv[1], strerror(-r));
        return 1;
    }
    printf("%.0f\n", (double)reads / seconds);
    io_uring_queue_exit(&reader.ring);
    free(reader.buffers);
    close(reader.fd);
    return 0;
}
