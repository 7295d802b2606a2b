/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Helper processes: whatever may block in the kernel (sysfs, VFIO, a PF's ioctl, pinning memory) runs in one
 * of them and never in homid. A helper is the same program, started with --helper; it does one job at a time
 * and holds no descriptors between jobs. One that is stuck past its deadline is killed and left behind: a
 * process in an uninterruptible wait ends when the kernel lets it, and homid does not depend on it.
 *
 * Ownership: the pool owns its processes and jobs. A lane belongs to the caller and is embedded where its
 * jobs come from. Threads: everything but helper_serve runs on the event loop's thread.
 */
#ifndef HOMI_DAEMON_HELPER_HELPER_H
#define HOMI_DAEMON_HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELPER_FDS_MAX      200 /* of one request or reply; the kernel takes at most 253 in one message */
#define HELPER_BYTES_MAX    8192
#define HELPER_REASON_BYTES 160

struct event_base;
struct helper_pool;
struct job;

/* Jobs of one lane are done one after the other, in the order of the calls. Starts zeroed. */
struct helper_lane {
    bool busy;                       /* a job of it has its turn */
    struct job *next_job, *last_job; /* those behind it; the pool's */
};

struct helper_request {
    uint16_t job; /* index into the table of jobs */
    const void *data;
    size_t bytes; /* at most HELPER_BYTES_MAX */
    const int *fds;
    size_t fd_count; /* at most HELPER_FDS_MAX */
    /*
     * The pool takes the descriptors (also when the job fails) and has closed its own before the job begins,
     * so that the last close of a device happens in the helper. Otherwise they are duplicated.
     */
    bool take_fds;
    unsigned deadline_milliseconds; /* from when a helper begins */
};

struct helper_reply {
    int error; /* 0 or a negative errno; -ETIMEDOUT: left behind, -EPIPE: the helper died */
    uint16_t nvme_status;
    char reason[HELPER_REASON_BYTES]; /* when error is not 0 */
    const void *data;                 /* aligned for any type; valid during the callback */
    size_t bytes;
    int *fds; /* closed after the callback, unless it sets the entry to -1 */
    size_t fd_count;
};

/* Called exactly once, from the event loop, never from within helper_run. It may call helper_run. */
typedef void (*helper_done)(void *user, struct helper_reply *reply);

struct helper_counts {
    unsigned idle, busy, waiting; /* waiting: jobs */
    unsigned abandoned;           /* stuck processes that have not ended yet */
};

/*
 * At most `maximum` helpers work at a time; further jobs wait. With as many stuck ones left behind, jobs that
 * need a new helper fail with -EAGAIN.
 */
int helper_pool_new(struct event_base *base, const char *program, unsigned maximum,
                    struct helper_pool **ret_pool);
/*
 * The same, but what does the jobs is there already and listens on a Unix socket (the software SSD): each
 * helper is a connection to it, and one that is left behind is closed.
 */
int helper_pool_new_connected(struct event_base *base, const char *path, unsigned maximum,
                              struct helper_pool **ret_pool);
/* Kills what runs and calls nobody back. NULL-safe. */
void helper_pool_free(struct helper_pool *pool);
/* lane: NULL when order does not matter. -ENOMEM, -EMFILE or -EINVAL and no callback, or 0. */
int helper_run(struct helper_pool *pool, struct helper_lane *lane, const struct helper_request *request,
               helper_done done, void *user);
/* Jobs of this lane that have not begun are dropped, one under way ends without a callback; the lane may be
 * freed. */
void helper_cancel(struct helper_pool *pool, struct helper_lane *lane);
struct helper_counts helper_pool_counts(const struct helper_pool *pool);

/* ---- in the helper ---- */

struct helper_input {
    const void *data;
    size_t bytes;
    const int *fds; /* closed after the job */
    size_t fd_count;
};

struct helper_output {
    int error;
    uint16_t nvme_status;
    char reason[HELPER_REASON_BYTES];
    void *data;
    size_t bytes;
    int fds[HELPER_FDS_MAX]; /* closed after they were sent */
    size_t fd_count;
    bool claims; /* claim is a descriptor that keeps others out as long as the job lasts */
    int claim;
};

typedef void (*helper_job)(const struct helper_input *input, struct helper_output *output);

/* Fails the job: error (negative errno) and the reason in words, with the errno's text appended. */
void helper_fail(struct helper_output *output, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Serves jobs until the socket closes. The exit status of the process. */
int helper_serve(int socket, const helper_job *jobs, size_t job_count);
/* What `homid --helper` does: helper_serve with homid's own jobs. */
int helper_main(int socket);

#endif
