/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: which job runs in which helper, and what becomes of helpers that hang or die. */
#include "daemon/helper/helper.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/helper/process.h"
#include "daemon/helper/wire.h"

enum { IDLE_MAX = 4 };

struct job {
    TAILQ_ENTRY(job) link;
    struct job *behind; /* it in the lane */
    struct helper_lane *lane;
    helper_done done; /* NULL: nobody is interested any more */
    void *user;
    unsigned deadline_milliseconds;
    int error; /* of a job that no helper could take */
    int fds[HELPER_FDS_MAX];
    size_t fd_count;
    bool given;              /* the descriptors are the job's: they were given to it, or are duplicates */
    bool apart;              /* they go ahead of the body and are closed in between */
    struct helper_body body; /* its data as long as it is */
};

enum helper_state { HELPER_IDLE, HELPER_BUSY, HELPER_LEAVING, HELPER_ABANDONED, HELPER_STATES };

struct helper {
    TAILQ_ENTRY(helper) link;
    struct helper_pool *pool;
    enum helper_state state;
    pid_t pid; /* 0: a connection to what somebody else started */
    int pidfd, socket;
    struct event *ended, *readable, *deadline;
    struct job *job;
    struct helper_inbox inbox;
};

TAILQ_HEAD(job_list, job);

struct helper_pool {
    struct event_base *base;
    char *program; /* to be started, or NULL */
    char *path;    /* to be connected to, or NULL */
    unsigned maximum;
    struct event *deferred; /* delivers the results of jobs that no helper could take */
    struct job_list waiting, failed, held /* behind others of their lanes */;
    unsigned waiting_count; /* and held ones */
    unsigned helper_counts[HELPER_STATES];
    TAILQ_HEAD(, helper) helpers;
};

static void pump(struct helper_pool *pool);

static void drop_fds(struct job *job)
{
    for (size_t i = 0; job->given && i < job->fd_count; i++)
        close(job->fds[i]);
    job->fd_count = 0;
}

static void job_free(struct job *job)
{
    if (!job)
        return;
    drop_fds(job);
    free(job);
}

static void set_state(struct helper *helper, enum helper_state state)
{
    helper->pool->helper_counts[helper->state]--;
    helper->pool->helper_counts[state]++;
    helper->state = state;
}

/* The next job of a lane has its turn. */
static void lane_next(struct helper_pool *pool, struct helper_lane *lane)
{
    struct job *job = lane->next_job;

    lane->busy = job != NULL;
    if (!job)
        return;
    lane->next_job = job->behind;
    TAILQ_REMOVE(&pool->held, job, link);
    TAILQ_INSERT_TAIL(&pool->waiting, job, link);
}

/* Delivers a result and frees the job; the lane is free again before the callback may use it. */
static void job_end(struct helper_pool *pool, struct job *job, struct helper_reply *reply)
{
    if (job->lane)
        lane_next(pool, job->lane);
    if (job->done)
        job->done(job->user, reply);
    job_free(job);
}

static void job_fail(struct helper_pool *pool, struct job *job, int error, const char *reason)
{
    struct helper_reply reply = {.error = error};

    snprintf(reply.reason, sizeof(reply.reason), "%s", reason);
    job_end(pool, job, &reply);
}

static void close_socket(struct helper *helper)
{
    if (helper->readable)
        event_free(helper->readable);
    if (helper->socket >= 0)
        close(helper->socket);
    helper->readable = NULL;
    helper->socket = -1;
}

/* Takes it out of the pool. */
static void helper_free(struct helper *helper)
{
    helper->pool->helper_counts[helper->state]--;
    TAILQ_REMOVE(&helper->pool->helpers, helper, link);
    close_socket(helper);
    helper_inbox_clear(&helper->inbox);
    if (helper->ended)
        event_free(helper->ended);
    if (helper->deadline)
        event_free(helper->deadline);
    if (helper->pidfd >= 0)
        close(helper->pidfd);
    job_free(helper->job);
    free(helper);
}

struct helper_counts helper_pool_counts(const struct helper_pool *pool)
{
    return (struct helper_counts){.idle = pool->helper_counts[HELPER_IDLE],
                                  .busy = pool->helper_counts[HELPER_BUSY],
                                  .abandoned = pool->helper_counts[HELPER_ABANDONED],
                                  .waiting = pool->waiting_count};
}

/* The helper has no job any more: keep it, or let it go when enough are idle. */
static void rest(struct helper *helper)
{
    const struct helper_pool *pool = helper->pool;

    set_state(helper, HELPER_IDLE);
    /* Connections cost the other side little, and making them anew for each burst of jobs costs both much. */
    if (pool->helper_counts[HELPER_IDLE] > (pool->path ? pool->maximum : IDLE_MAX)) {
        set_state(helper, HELPER_LEAVING);
        close_socket(helper);
    }
}

static void end_process(const struct helper *helper)
{
    if (helper->pid > 0)
        kill(helper->pid, SIGKILL);
}

static void abandon(struct helper *helper)
{
    set_state(helper, HELPER_ABANDONED);
    end_process(helper);
    close_socket(helper);
    event_del(helper->deadline);
    helper_inbox_clear(&helper->inbox);
}

static void deliver(struct helper *helper)
{
    struct job *job = helper->job;
    struct helper_inbox inbox = helper->inbox;
    struct helper_reply reply = {.error = inbox.body.error,
                                 .nvme_status = inbox.body.nvme_status,
                                 .data = inbox.body.data,
                                 .bytes = inbox.body.bytes,
                                 .fds = inbox.fds,
                                 .fd_count = inbox.fd_count};

    memcpy(reply.reason, inbox.body.reason, sizeof(reply.reason));
    helper->job = NULL;
    helper->inbox.fd_count = 0;
    event_del(helper->deadline);
    rest(helper);
    job_end(helper->pool, job, &reply);
    helper_inbox_clear(&inbox);
}

/* The other side closed, or talks nonsense. */
static void connection_ended(struct helper *helper, int error)
{
    struct helper_pool *pool = helper->pool;
    struct job *job = helper->job;

    helper->job = NULL;
    helper_free(helper);
    if (job)
        job_fail(pool, job, error, "the connection ended");
}

static void on_readable(evutil_socket_t fd, short events, void *user)
{
    struct helper *helper = user;
    struct helper_pool *pool = helper->pool;
    (void)fd;
    (void)events;

    int r = helper_receive(helper->socket, &helper->inbox);
    if (r == 1 && helper->job) {
        deliver(helper);
        pump(pool);
    } else if (r < 0 && r != -EAGAIN && helper->pid == 0) {
        connection_ended(helper, r);
        pump(pool);
    } else if (r < 0 && r != -EAGAIN && r != -EPIPE) {
        /* The end of the process says what happened to the job. */
        end_process(helper);
    } else if (r == -EPIPE) {
        event_del(helper->readable);
    }
}

/* What the helper still sent before it ended counts. */
static void receive_last(struct helper *helper)
{
    int r = 0;

    while (helper->job && helper->socket >= 0 && r >= 0) {
        r = helper_receive(helper->socket, &helper->inbox);
        if (r == 1)
            deliver(helper);
    }
}

static void on_ended(evutil_socket_t fd, short events, void *user)
{
    struct helper *helper = user;
    struct helper_pool *pool = helper->pool;
    char reason[HELPER_REASON_BYTES];
    int status = 0;
    (void)fd;
    (void)events;

    receive_last(helper);
    waitpid(helper->pid, &status, 0);
    struct job *job = helper->job;
    helper->job = NULL;
    if (job) {
        snprintf(reason, sizeof(reason), "helper process %d ended (%s %d)", (int)helper->pid,
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        job_fail(pool, job, -EPIPE, reason);
    }
    helper_free(helper);
    pump(pool);
}

/* An abandoned process is kept until it ends; of an abandoned connection nothing is left to wait for. */
static void forget_connections(struct helper_pool *pool)
{
    struct helper *helper = TAILQ_FIRST(&pool->helpers), *next;

    for (; helper; helper = next) {
        next = TAILQ_NEXT(helper, link);
        if (helper->pid == 0 && helper->state >= HELPER_LEAVING)
            helper_free(helper);
    }
}

static void on_deadline(evutil_socket_t fd, short events, void *user)
{
    struct helper *helper = user;
    struct helper_pool *pool = helper->pool;
    struct job *job = helper->job;
    char reason[HELPER_REASON_BYTES];
    (void)fd;
    (void)events;

    if (!job)
        return;
    snprintf(reason, sizeof(reason), "no end within %u ms; helper process %d left behind",
             job->deadline_milliseconds, (int)helper->pid);
    helper->job = NULL;
    abandon(helper);
    job_fail(pool, job, -ETIMEDOUT, reason);
    forget_connections(pool);
    pump(pool);
}

static int helper_start(struct helper_pool *pool, struct helper **ret_helper)
{
    struct helper *helper = calloc(1, sizeof(*helper));
    int r;

    if (!helper)
        return -ENOMEM;
    helper->pidfd = -1;
    r = pool->path ? helper_connect(pool->path, &helper->socket)
                   : helper_spawn(pool->program, &helper->pid, &helper->pidfd, &helper->socket);
    if (r < 0) {
        free(helper);
        return r;
    }
    helper->pool = pool;
    pool->helper_counts[helper->state]++;
    TAILQ_INSERT_TAIL(&pool->helpers, helper, link);
    if (helper->pid > 0)
        helper->ended = event_new(pool->base, helper->pidfd, EV_READ, on_ended, helper);
    helper->readable = event_new(pool->base, helper->socket, EV_READ | EV_PERSIST, on_readable, helper);
    helper->deadline = evtimer_new(pool->base, on_deadline, helper);
    if (!helper->readable || !helper->deadline || event_add(helper->readable, NULL) < 0 ||
        (helper->pid > 0 && (!helper->ended || event_add(helper->ended, NULL) < 0))) {
        end_process(helper);
        if (helper->pid > 0)
            waitpid(helper->pid, NULL, 0);
        helper_free(helper);
        return -ENOMEM;
    }
    *ret_helper = helper;
    return 0;
}

/*
 * 0, 1: none is free and no more may be started, or a negative errno. Waiting is for those that work: they
 * have deadlines. The stuck ones may never end, so a job that only they stand in the way of fails.
 */
static int find_helper(struct helper_pool *pool, struct helper **ret_helper)
{
    struct helper *helper;

    if (pool->helper_counts[HELPER_IDLE] > 0) {
        TAILQ_FOREACH (helper, &pool->helpers, link) {
            if (helper->state == HELPER_IDLE) {
                *ret_helper = helper;
                return 0;
            }
        }
    }
    if (pool->helper_counts[HELPER_BUSY] >= pool->maximum)
        return 1;
    if (pool->helper_counts[HELPER_ABANDONED] >= pool->maximum)
        return -EAGAIN;
    return helper_start(pool, ret_helper);
}

static int hand_over(struct helper *helper, struct job *job)
{
    struct timeval deadline = {.tv_sec = job->deadline_milliseconds / 1000,
                               .tv_usec = job->deadline_milliseconds % 1000 * 1000};
    int r = 0;

    job->body.fd_count = (uint32_t)job->fd_count;
    if (job->apart && job->fd_count) {
        r = helper_send_fds(helper->socket, job->fds, job->fd_count);
        drop_fds(job);
    }
    if (r == 0)
        r = helper_send_body(helper->socket, &job->body, job->fds, job->fd_count);
    drop_fds(job);
    if (r < 0)
        return r;
    helper->job = job;
    set_state(helper, HELPER_BUSY);
    event_add(helper->deadline, &deadline);
    return 0;
}

/* Takes the job off the waiting list, into a helper or into the failed list. false: no helper is free. */
static bool start_job(struct helper_pool *pool, struct job *job)
{
    struct helper *helper = NULL;

    int r = find_helper(pool, &helper);
    if (r > 0)
        return false;
    TAILQ_REMOVE(&pool->waiting, job, link);
    pool->waiting_count--;
    if (r == 0) {
        r = hand_over(helper, job);
        if (r < 0)
            abandon(helper);
    }
    if (r < 0) {
        drop_fds(job);
        job->error = r;
        TAILQ_INSERT_TAIL(&pool->failed, job, link);
        event_active(pool->deferred, EV_TIMEOUT, 0);
    }
    return true;
}

static void pump(struct helper_pool *pool)
{
    struct job *job;

    while ((job = TAILQ_FIRST(&pool->waiting)) && start_job(pool, job))
        ;
}

static void on_deferred(evutil_socket_t fd, short events, void *user)
{
    struct helper_pool *pool = user;
    struct job *job;
    char reason[HELPER_REASON_BYTES];
    (void)fd;
    (void)events;

    while ((job = TAILQ_FIRST(&pool->failed))) {
        TAILQ_REMOVE(&pool->failed, job, link);
        snprintf(reason, sizeof(reason), "no helper process: %s", strerror(-job->error));
        job_fail(pool, job, job->error, reason);
    }
    forget_connections(pool);
    pump(pool);
}

/* A job that waits must not depend on what the caller does to its descriptors meanwhile. */
static int keep_fds(struct job *job)
{
    for (size_t i = 0; i < job->fd_count; i++) {
        int fd = fcntl(job->fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            int error = errno;
            job->fd_count = i;
            job->given = true;
            return -error;
        }
        job->fds[i] = fd;
    }
    job->given = true;
    return 0;
}

/* Until those before it in its lane have ended. */
static void hold(struct helper_pool *pool, struct job *job)
{
    struct helper_lane *lane = job->lane;

    if (lane->next_job)
        lane->last_job->behind = job;
    else
        lane->next_job = job;
    lane->last_job = job;
    TAILQ_INSERT_TAIL(&pool->held, job, link);
}

int helper_run(struct helper_pool *pool, struct helper_lane *lane, const struct helper_request *request,
               helper_done done, void *user)
{
    if (request->bytes > HELPER_BYTES_MAX || request->fd_count > HELPER_FDS_MAX)
        return -EINVAL;
    struct job *job = calloc(1, offsetof(struct job, body.data) + request->bytes);
    if (!job)
        return -ENOMEM;
    job->lane = lane;
    job->done = done;
    job->user = user;
    job->deadline_milliseconds = request->deadline_milliseconds;
    job->given = job->apart = request->take_fds;
    job->fd_count = request->fd_count;
    if (request->fd_count)
        memcpy(job->fds, request->fds, request->fd_count * sizeof(int));
    job->body.job = request->job;
    job->body.bytes = (uint32_t)request->bytes;
    if (request->bytes)
        memcpy(job->body.data, request->data, request->bytes);

    bool at_once =
        !(lane && lane->busy) && TAILQ_EMPTY(&pool->waiting) && pool->helper_counts[HELPER_IDLE] > 0;
    int r = at_once || job->given ? 0 : keep_fds(job);
    if (r < 0) {
        job_free(job);
        return r;
    }
    pool->waiting_count++;
    if (lane && lane->busy) {
        hold(pool, job);
        return 0;
    }
    if (lane)
        lane->busy = true;
    TAILQ_INSERT_TAIL(&pool->waiting, job, link);
    pump(pool);
    return 0;
}

/* The job that had the lane's turn, if it is in the list. */
static bool drop_first(struct job_list *list, const struct helper_lane *lane)
{
    struct job *job;

    TAILQ_FOREACH (job, list, link) {
        if (job->lane == lane) {
            TAILQ_REMOVE(list, job, link);
            job_free(job);
            return true;
        }
    }
    return false;
}

static void drop_held(struct helper_pool *pool, struct helper_lane *lane)
{
    struct job *job;

    while ((job = lane->next_job)) {
        lane->next_job = job->behind;
        TAILQ_REMOVE(&pool->held, job, link);
        pool->waiting_count--;
        job_free(job);
    }
}

void helper_cancel(struct helper_pool *pool, struct helper_lane *lane)
{
    struct helper *helper;

    if (!lane->busy)
        return;
    TAILQ_FOREACH (helper, &pool->helpers, link) {
        if (helper->job && helper->job->lane == lane) {
            helper->job->lane = NULL;
            helper->job->done = NULL;
        }
    }
    drop_held(pool, lane);
    if (drop_first(&pool->waiting, lane))
        pool->waiting_count--;
    else
        drop_first(&pool->failed, lane);
    *lane = (struct helper_lane){0};
}

static int pool_new(struct event_base *base, const char *program, const char *path, unsigned maximum,
                    struct helper_pool **ret_pool)
{
    struct helper_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return -ENOMEM;
    TAILQ_INIT(&pool->waiting);
    TAILQ_INIT(&pool->failed);
    TAILQ_INIT(&pool->held);
    TAILQ_INIT(&pool->helpers);
    pool->base = base;
    pool->maximum = maximum;
    pool->program = program ? strdup(program) : NULL;
    pool->path = path ? strdup(path) : NULL;
    pool->deferred = evtimer_new(base, on_deferred, pool);
    if (!(pool->program || pool->path) || !pool->deferred) {
        helper_pool_free(pool);
        return -ENOMEM;
    }
    *ret_pool = pool;
    return 0;
}

int helper_pool_new(struct event_base *base, const char *program, unsigned maximum,
                    struct helper_pool **ret_pool)
{
    return pool_new(base, program, NULL, maximum, ret_pool);
}

int helper_pool_new_connected(struct event_base *base, const char *path, unsigned maximum,
                              struct helper_pool **ret_pool)
{
    return pool_new(base, NULL, path, maximum, ret_pool);
}

static void free_jobs(struct job_list *list)
{
    struct job *job;

    while ((job = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, job, link);
        job_free(job);
    }
}

void helper_pool_free(struct helper_pool *pool)
{
    struct helper *helper;

    if (!pool)
        return;
    while ((helper = TAILQ_FIRST(&pool->helpers))) {
        end_process(helper);
        /* One that cannot die is init's to collect. */
        if (helper->pid > 0)
            waitpid(helper->pid, NULL, WNOHANG);
        helper_free(helper);
    }
    free_jobs(&pool->waiting);
    free_jobs(&pool->failed);
    free_jobs(&pool->held);
    if (pool->deferred)
        event_free(pool->deferred);
    free(pool->program);
    free(pool->path);
    free(pool);
}
